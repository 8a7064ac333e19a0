package tokens

import (
	"maps"
	"math"
	"slices"
)

// Step is the unit of needs and contexts, in tokens: engines pad a slot to a multiple of it.
const Step = 256

// Demand counts rows by the context that they need. The zero value has no rows. It is not safe for concurrent use.
type Demand struct {
	rows map[int]int64 // by need, in tokens, rounded up to a multiple of Step
	n    int64
	max  int // the longest need, in tokens
}

// Add counts a row with its need, prompt and answer together, in tokens.
func (d *Demand) Add(need int) { d.add(need, 1) }

func (d *Demand) add(need int, rows int64) {
	if d.rows == nil {
		d.rows = make(map[int]int64)
	}
	d.rows[(need+Step-1)/Step*Step] += rows
	d.n += rows
	d.max = max(d.max, need)
}

// Rows returns the number of rows. A row of a sample counts for all rows that it stands for.
func (d *Demand) Rows() int64 { return d.n }

// Max returns the longest need, in tokens; 0 without rows.
func (d *Demand) Max() int { return d.max }

// Beyond returns the number of rows that need more than the context, by needs that are rounded up to a multiple of Step.
func (d *Demand) Beyond(context int) int64 {
	n := int64(0)
	for need, rows := range d.rows {
		if need > context {
			n += rows
		}
	}
	return n
}

// At returns the need, in tokens, that the given share of the rows, from 0 to 1, does not exceed. It is rounded up to a
// multiple of Step, but not above Max.
func (d *Demand) At(share float64) int {
	left := int64(math.Ceil(share * float64(d.n)))
	for _, need := range slices.Sorted(maps.Keys(d.rows)) {
		if left -= d.rows[need]; left <= 0 {
			return min(need, d.max)
		}
	}
	return 0
}
