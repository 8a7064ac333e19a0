package result

// index holds the location of each row's line, in 16 bytes per row: the second half of an entry is the location. If a
// row has several lines, it keeps the best one: an answer before a failure, then the line of the earlier part.
type index struct {
	keys
	doubles     int64       // number of rows with more than one answer
	firstDouble [2]location // the first two answers of the first such row
	superseded  int64       // number of failures of rows with another line
}

// location is the location of a line: the highest bit is the kind of file, then the part, and the lower bits are the
// offset. A smaller location is preferred.
type location uint64

const (
	partBits   = 15
	offsetBits = 63 - partBits
	maxParts   = 1 << partBits
)

func locationOf(failed bool, part int, offset int64) location {
	p := location(part)<<offsetBits | location(offset)
	if failed {
		p |= 1 << 63
	}
	return p
}

func (p location) failed() bool  { return p>>63 != 0 }
func (p location) part() int     { return int(p >> offsetBits & (maxParts - 1)) }
func (p location) offset() int64 { return int64(p & (1<<offsetBits - 1)) }

// seal sorts the entries, keeps the best line of each row, and counts the others.
func (x *index) seal() {
	x.keys.seal()
	for i, s := range x.segments {
		kept := s[:0]
		counted := false // true if the last kept row is counted in doubles
		for _, e := range s {
			n := len(kept)
			switch {
			case n == 0 || kept[n-1].name != e.name:
				kept = append(kept, e)
				counted = false
			case location(e.request).failed():
				x.superseded++
			case !counted:
				if x.doubles == 0 {
					x.firstDouble = [2]location{location(kept[n-1].request), location(e.request)}
				}
				x.doubles++
				counted = true
			}
		}
		x.segments[i] = kept
	}
}

// find returns the location of a row's line.
func (x *index) find(name uint64) (location, bool) {
	at, ok := x.keys.find(name)
	if !ok {
		return 0, false
	}
	return location(x.keys.at(at).request), true
}
