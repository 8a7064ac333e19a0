package report

import (
	"fmt"
	"math"

	"fluxworker/worker/report/chart"
)

// maxTokens is the largest number of tokens that a distribution tells apart: more than the longest context of any model.
const maxTokens = 1 << 20

// distribution counts numbers of tokens.
type distribution struct {
	counts       []int64 // by the number
	n, sum, most int64
}

// add counts a number; a number beyond the limits counts as the limit, but not in the sum and as the largest.
func (d *distribution) add(v int64) {
	v = max(v, 0)
	d.sum, d.most = d.sum+v, max(d.most, v)
	v = min(v, maxTokens)
	if need := int(v) + 1 - len(d.counts); need > 0 {
		d.counts = append(d.counts, make([]int64, need)...)
	}
	d.counts[v]++
	d.n++
}

// quantile returns the number that a share q of the numbers do not exceed.
func (d *distribution) quantile(q float64) int64 {
	limit, seen := int64(math.Ceil(q*float64(d.n)))-1, int64(0)
	for v, n := range d.counts {
		if seen += n; seen > limit {
			return int64(v)
		}
	}
	return int64(len(d.counts) - 1)
}

// mostBuckets is the largest number of buckets of a picture.
const mostBuckets = 26

// manyNumbers is the least number of numbers of which a few may be far larger than the others.
const manyNumbers = 200

// buckets returns the counts in buckets of equal width from 0, with the labels of their limits. A few far larger numbers are in
// one last bucket, whose upper limit is the largest number.
func (d *distribution) buckets() (edges []string, counts []int64) {
	most := d.quantile(1)
	top := most
	if far := 2 * d.quantile(0.99); far < most && d.n >= manyNumbers {
		top = far
	}
	width := chart.RoundStep(top+1, mostBuckets)
	for from := int64(0); from <= top; from += width {
		n := int64(0)
		for v := from; v < min(from+width, int64(len(d.counts))); v++ {
			n += d.counts[v]
		}
		edges, counts = append(edges, chart.Number(float64(from))), append(counts, n)
	}
	end := int64(len(counts)) * width
	edges = append(edges, chart.Number(float64(end)))
	if end <= most {
		n := int64(0)
		for _, c := range d.counts[end:] {
			n += c
		}
		edges, counts = append(edges, "more"), append(counts, n)
	}
	return edges, counts
}

// sentence describes the distribution.
func (d *distribution) sentence() string {
	return fmt.Sprintf("median %s, 95 %% at most %s, largest %s, mean %s",
		grouped(d.quantile(0.5)), grouped(d.quantile(0.95)), grouped(d.most), chart.Number(float64(d.sum)/float64(max(1, d.n))))
}
