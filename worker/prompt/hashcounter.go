package prompt

import (
	"math"
	"math/bits"
)

// hashCounter maps many 64-bit hashes to numbers, with 14 to 15 bytes per entry; a Go map needs 20 to 40. It is an open
// hash table in parts. Its keys are hashes already. One part grows at a time, by a sixteenth, so little memory stays
// unused.
type hashCounter struct{ parts [64]hashCounterPart }

type hashCounterPart struct {
	sums    []uint64
	numbers []uint32 // 0 means an empty position
	used    int
}

// get returns the number of a sum, or 0.
func (t *hashCounter) get(sum uint64) uint32 {
	p := &t.parts[sum>>58]
	if p.used == 0 {
		return 0
	}
	return p.numbers[p.position(sum)]
}

// set sets the number of a sum, which is at least 1. A number above 32 bits is stored as the maximum.
func (t *hashCounter) set(sum uint64, number int64) {
	p := &t.parts[sum>>58]
	if 8*(p.used+1) > 7*len(p.sums) {
		p.grow()
	}
	at := p.position(sum)
	if p.numbers[at] == 0 {
		p.used++
	}
	p.sums[at], p.numbers[at] = sum, uint32(min(number, math.MaxUint32))
}

// position returns the index of the sum, or the index where it belongs.
func (p *hashCounterPart) position(sum uint64) int {
	high, _ := bits.Mul64(sum<<6, uint64(len(p.sums))) // spread evenly over the positions
	at := int(high)
	for p.numbers[at] != 0 && p.sums[at] != sum {
		if at++; at == len(p.sums) {
			at = 0
		}
	}
	return at
}

func (p *hashCounterPart) grow() {
	old := *p
	size := len(old.sums) + len(old.sums)/16 + 8
	p.sums, p.numbers = make([]uint64, size), make([]uint32, size)
	for i, n := range old.numbers {
		if n != 0 {
			at := p.position(old.sums[i])
			p.sums[at], p.numbers[at] = old.sums[i], n
		}
	}
}
