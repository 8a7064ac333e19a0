package prompt

import (
	"math"
	"math/bits"
)

// tally holds a number for each of many 64-bit sums, in 14 to 15 bytes each; a map takes 20 to 40. It is a hash table whose
// keys are hashes already, in parts that grow one at a time and by a sixteenth, so that little room is ever empty.
type tally struct{ parts [64]tallyPart }

type tallyPart struct {
	sums    []uint64
	numbers []uint32 // 0 is an empty place
	used    int
}

// get returns the number of a sum, or 0.
func (t *tally) get(sum uint64) uint32 {
	p := &t.parts[sum>>58]
	if p.used == 0 {
		return 0
	}
	return p.numbers[p.place(sum)]
}

// set gives a sum its number, which is at least 1. One that has no room counts as the largest that has.
func (t *tally) set(sum uint64, number int64) {
	p := &t.parts[sum>>58]
	if 8*(p.used+1) > 7*len(p.sums) {
		p.grow()
	}
	at := p.place(sum)
	if p.numbers[at] == 0 {
		p.used++
	}
	p.sums[at], p.numbers[at] = sum, uint32(min(number, math.MaxUint32))
}

// place is where the sum is, or would be.
func (p *tallyPart) place(sum uint64) int {
	high, _ := bits.Mul64(sum<<6, uint64(len(p.sums))) // spread evenly over the places
	at := int(high)
	for p.numbers[at] != 0 && p.sums[at] != sum {
		if at++; at == len(p.sums) {
			at = 0
		}
	}
	return at
}

func (p *tallyPart) grow() {
	old := *p
	size := len(old.sums) + len(old.sums)/16 + 8
	p.sums, p.numbers = make([]uint64, size), make([]uint32, size)
	for i, n := range old.numbers {
		if n != 0 {
			at := p.place(old.sums[i])
			p.sums[at], p.numbers[at] = old.sums[i], n
		}
	}
}
