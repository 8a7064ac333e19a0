package tokens

import (
	"maps"
	"math"
	"slices"
)

// Step is the multiple of tokens to which needs are rounded up, and contexts from 1024 on: engines pad a slot to it.
const Step = 256

// Demand counts rows by how much context they need. Its zero value has none. It is for one goroutine.
type Demand struct {
	rows map[int]int64 // by tokens, rounded up
	n    int64
	most int
}

// Add counts a row that needs so many tokens of context, prompt and answer together.
func (d *Demand) Add(need int) { d.add(need, 1) }

func (d *Demand) add(need int, rows int64) {
	if d.rows == nil {
		d.rows = make(map[int]int64)
	}
	d.rows[(need+Step-1)/Step*Step] += rows
	d.n += rows
	d.most = max(d.most, need)
}

// Rows is how many were counted, or for how many those stand.
func (d *Demand) Rows() int64 { return d.n }

// Most is the longest need, in tokens; 0 without rows.
func (d *Demand) Most() int { return d.most }

// Beyond is how many rows need more than a context.
func (d *Demand) Beyond(context int) int64 {
	n := int64(0)
	for need, rows := range d.rows {
		if need > context {
			n += rows
		}
	}
	return n
}

// At is the need that a share of the rows, from 0 to 1, does not exceed, rounded up to a multiple of 256, but no more than the
// longest.
func (d *Demand) At(share float64) int {
	left := int64(math.Ceil(share * float64(d.n)))
	for _, need := range slices.Sorted(maps.Keys(d.rows)) {
		if left -= d.rows[need]; left <= 0 {
			return min(need, d.most)
		}
	}
	return 0
}
