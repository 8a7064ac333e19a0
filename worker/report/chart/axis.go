package chart

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// tick is a place on an axis with its label.
type tick struct {
	at    float64
	label string
}

// niceSteps are the distances of round ticks, within a power of ten.
var niceSteps = []float64{1, 2, 2.5, 5, 10}

// niceStep returns the smallest round distance that is at least raw.
func niceStep(raw float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, s := range niceSteps {
		if s*power >= raw*(1-1e-9) {
			return s * power
		}
	}
	return 10 * power
}

// numberTicks returns about n round ticks from 0, the last at high or just above it. whole allows whole numbers only.
func numberTicks(high float64, n int, whole bool) []tick {
	if high <= 0 || math.IsNaN(high) || math.IsInf(high, 0) {
		high = 1
	}
	step := niceStep(high / float64(n))
	if whole {
		step = max(1, math.Ceil(step))
	}
	var ticks []tick
	for i := 0; ; i++ {
		at := float64(i) * step
		ticks = append(ticks, tick{at, Number(at)})
		if at >= high*(1-1e-9) {
			return ticks
		}
	}
}

// clockSteps are the distances of ticks on an axis of time.
var clockSteps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// timeTicks returns at most n+1 ticks of an axis from 0 to high, in seconds.
func timeTicks(high float64, n int) []tick {
	step := 0.0
	for _, s := range clockSteps {
		if step = s.Seconds(); high/step <= float64(n) {
			break
		}
	}
	if high/step > float64(n) { // weeks
		day := clockSteps[len(clockSteps)-1].Seconds()
		step = day * niceStep(math.Ceil(high/day/float64(n)))
	}
	if high < 2 {
		step = niceStep(max(high, 0.001) / float64(n))
	}
	var ticks []tick
	for i := 0; float64(i)*step <= high*(1+1e-9); i++ {
		ticks = append(ticks, tick{float64(i) * step, Seconds(float64(i) * step)})
	}
	return ticks
}

// Number returns a number of at least 0 in a few characters, such as 950, 1.2k or 3.4M.
func Number(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= unit.size*(1-1e-9) {
			return digits(v/unit.size) + unit.name
		}
	}
	return digits(v)
}

// digits returns three significant digits without zeros at the end.
func digits(v float64) string {
	precision := 0
	switch {
	case v == 0 || v >= 100:
	case v >= 10:
		precision = 1
	case v >= 1:
		precision = 2
	default:
		precision = 2 - int(math.Floor(math.Log10(v)))
	}
	text := strconv.FormatFloat(v, 'f', precision, 64)
	if precision > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// Seconds returns a time in seconds with its largest two units, such as 4.5 s, 10 min, 2 h 30 min or 3 d.
func Seconds(s float64) string {
	if s < 60 {
		return digits(s) + " s"
	}
	total := int64(math.Round(s))
	for _, unit := range []struct {
		size        int64
		name, below string
		part        int64
	}{{24 * 3600, "d", "h", 3600}, {3600, "h", "min", 60}, {60, "min", "s", 1}} {
		if total < unit.size {
			continue
		}
		if rest := total % unit.size / unit.part; rest > 0 {
			return fmt.Sprintf("%d %s %d %s", total/unit.size, unit.name, rest, unit.below)
		}
		return fmt.Sprintf("%d %s", total/unit.size, unit.name)
	}
	return digits(s) + " s"
}

// RoundStep returns a round whole width with which at most n steps cover a range.
func RoundStep(over int64, n int) int64 {
	step := int64(1)
	if raw := float64(over) / float64(n); raw > 1 {
		step = int64(math.Ceil(niceStep(raw) - 1e-9))
	}
	return step
}
