package prompt

import "math"

// Shards says how the rows of an input are divided: each shard takes a block of consecutive rows in its turn, because
// neighbours often share the beginning of their prompts, which a server reads once for all of them.
//
// Blocks grow: each shard takes 1 row, then 2, then 3, up to Block. So the shards of a small input have nearly the same number
// of rows, too: the last block is a small part of what a shard has, and the first blocks are cheap to read twice.
type Shards struct {
	Count int64 // number of shards; 0 and 1 are all rows in one shard
	Block int64 // rows in the longest block; 0 and 1 deal single rows
}

// Of returns the shard of the row with the given index, both from 0.
func (s Shards) Of(index int64) int64 {
	if s.Count <= 1 {
		return 0
	}
	block := max(1, s.Block)
	if grown := s.Count * block * (block - 1) / 2; index >= grown { // the rows in shorter blocks
		return (index - grown) / block % s.Count
	}
	// Round r has blocks of r+1 rows, and begins when each shard has r(r+1)/2 rows.
	r := int64((math.Sqrt(1+8*float64(index/s.Count)) - 1) / 2)
	return (index - s.Count*r*(r+1)/2) / (r + 1)
}
