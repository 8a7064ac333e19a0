package tokens

import (
	"fmt"
	"hash/maphash"

	"fluxworker/worker/prompt"
)

// LookAheadRows is the number of rows among which a run looks for rows with the same beginning.
const LookAheadRows = 1024

// Sharing estimates how many tokens of an input's prompts rows share with rows before them. A slot that has answered one of
// these rows need not read the tokens again. It is not safe for concurrent use.
type Sharing struct {
	seed   maphash.Seed
	rows   int64
	last   map[uint64]int64 // the last row with this hash in its prefix
	stale  int64            // the row at which old hashes are removed
	weight float64          // of all prompts
	shared float64          // of weight
}

// NewSharing makes an estimate without rows.
func NewSharing() *Sharing {
	return &Sharing{seed: maphash.MakeSeed(), last: make(map[uint64]int64), stale: 2 * LookAheadRows}
}

// Add adds the next row of the input.
func (s *Sharing) Add(r *prompt.Request) {
	prefix, bytes := prompt.PrefixOf(s.seed, r), prompt.PrefixBytes
	weight, levels := float64(Weigh(r)), len(prefix)
	for levels > 0 {
		if row, ok := s.last[prefix[levels-1]]; ok && s.rows-row <= LookAheadRows {
			break
		}
		levels--
	}
	share := 0.0
	if levels > 0 { // what is behind the last whole block is about half a block
		share = float64(bytes(levels)) / float64((bytes(len(prefix))+bytes(len(prefix)+1))/2)
	}
	answers := float64(r.Answers()) // each reads the prompt, and finds it in its slot but the first
	s.weight += answers * weight
	if s.shared += share * weight; len(prefix) > 0 {
		s.shared += (answers - 1) * weight
	}
	for _, hash := range prefix {
		s.last[hash] = s.rows
	}
	if s.rows++; s.rows == s.stale {
		for hash, row := range s.last {
			if s.rows-row > LookAheadRows {
				delete(s.last, hash)
			}
		}
		s.stale += LookAheadRows
	}
}

// merge adds the sum of a part of the input, of which each row stands for the given number of rows.
func (s *Sharing) merge(other *Sharing, stands float64) {
	s.weight += other.weight * stands
	s.shared += other.shared * stands
}

// String returns what the estimate means for a run; "" where rows share less than a twentieth.
func (s *Sharing) String() string {
	if s.Share() < 0.05 {
		return ""
	}
	return fmt.Sprintf("about %.0f %% of the prompts' tokens are at the beginning of an earlier row's prompt, too; rows that share a beginning are asked one after the other in one slot, which reads these tokens once", 100*s.Share())
}

// Share returns the share of the prompts' tokens, from 0 to 1, that a row has in common with a row before it; 0 without rows and for nil.
func (s *Sharing) Share() float64 {
	if s == nil || s.weight == 0 {
		return 0
	}
	return s.shared / s.weight
}
