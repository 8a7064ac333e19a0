package main

import (
	"math"
	"slices"
)

// sample holds the values of the repetitions of one measurement.
type sample []float64

// median is the middle value, or the mean of the two in the middle; NaN without any.
func (s sample) median() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// spread is the smallest and the largest value; NaN without any.
func (s sample) spread() (least, most float64) {
	if len(s) == 0 {
		return math.NaN(), math.NaN()
	}
	return slices.Min(s), slices.Max(s)
}

// ratios divides pair by pair: both sides of a turn saw the same machine.
func ratios(above, below sample) sample {
	r := make(sample, min(len(above), len(below)))
	for i := range r {
		r[i] = above[i] / below[i]
	}
	return r
}
