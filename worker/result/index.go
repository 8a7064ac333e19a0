package result

// index knows where the line of each row stands, in 16 bytes a row: an entry's second half is its spot. Of several lines
// of a row it keeps the best: an answer before a failure, then the one of the earlier part.
type index struct {
	keys
	doubles    int64   // rows with more than one answer
	double     [2]spot // of the first such row
	superseded int64   // failures of rows that have another line
}

// spot is where a line stands: the kind of its file in the highest bit, its part below, and the offset in the rest. Spots are
// ordered as the lines are preferred.
type spot uint64

const (
	partBits   = 15
	offsetBits = 63 - partBits
	maxParts   = 1 << partBits
)

func spotOf(failed bool, part int, offset int64) spot {
	p := spot(part)<<offsetBits | spot(offset)
	if failed {
		p |= 1 << 63
	}
	return p
}

func (p spot) failed() bool  { return p>>63 != 0 }
func (p spot) part() int     { return int(p >> offsetBits & (maxParts - 1)) }
func (p spot) offset() int64 { return int64(p & (1<<offsetBits - 1)) }

// seal makes lookups possible: it sorts, keeps the best line of each row, and counts the others.
func (x *index) seal() {
	x.keys.seal()
	for i, s := range x.segments {
		kept := s[:0]
		counted := false // the last kept row is among the doubles
		for _, e := range s {
			n := len(kept)
			switch {
			case n == 0 || kept[n-1].name != e.name:
				kept = append(kept, e)
				counted = false
			case spot(e.request).failed():
				x.superseded++
			case !counted:
				if x.doubles == 0 {
					x.double = [2]spot{spot(kept[n-1].request), spot(e.request)}
				}
				x.doubles++
				counted = true
			}
		}
		x.segments[i] = kept
	}
}

// find tells where the line of a row is.
func (x *index) find(name uint64) (spot, bool) {
	at, ok := x.keys.find(name)
	if !ok {
		return 0, false
	}
	return spot(x.keys.at(at).request), true
}
