package result

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"fluxworker/worker/prompt"
)

// Done holds the keys of the rows that had a line when the output was opened, in 16 bytes per row, and the places that these
// lines state, in 16 bytes per place.
type Done struct {
	answered, failed fileKeys
	names            map[int64]uint64 // implied names in use: bit n%64 of word n/64 for "row-n"; nil until UsesName makes it
}

// fileKeys holds the keys and places of the lines of one file.
type fileKeys struct {
	keys
	places keys // the name of each row whose line states a place, with the place
}

func (f *fileKeys) add(l parsed) {
	e := entryOf(l.key)
	f.keys.add(e)
	if l.place != 0 {
		f.places.add(entry{name: e.name, request: uint64(l.place)})
	}
}

func (f *fileKeys) seal() {
	f.keys.seal()
	f.places.seal()
}

// stated returns the place that the line of the row with this name states.
func (f *fileKeys) stated(name uint64) place {
	at, ok := f.places.find(name)
	if !ok {
		return 0
	}
	return place(f.places.at(at).request)
}

// State is the state of a row, according to the lines on disk.
type State int

// The states of a row.
const (
	New           State = iota // the row has no line yet
	Answered                   // the results have a line for this request
	Failed                     // the errors have a line for this request
	Changed                    // the results have a line with the row's name and another request
	ChangedFailed              // the errors have a line with the row's name and another request
)

// State returns the state of the row with the given key.
func (d *Done) State(k prompt.Key) State {
	e := entryOf(k)
	if at, ok := d.answered.find(e.name); ok {
		if d.answered.at(at).request == e.request {
			return Answered
		}
		return Changed
	}
	if at, ok := d.failed.find(e.name); ok {
		if d.failed.at(at).request == e.request {
			return Failed
		}
		return ChangedFailed
	}
	return New
}

// HasName reports whether the line of a row has the row's custom_id. It has another implied custom_id, which was, if the input
// was edited since the line was written.
func (d *Done) HasName(row prompt.Row) (was string, ok bool) {
	stated := d.stated(entryOf(row.Key).name)
	now := placeOf(row, stated)
	if stated >= 0 || now == 0 || now == stated {
		return "", true
	}
	return prompt.ImpliedName(int64(-stated)), false
}

// HasImpliedName reports whether the line of the row with this key has an implied custom_id.
func (d *Done) HasImpliedName(k prompt.Key) bool { return d.stated(entryOf(k).name) < 0 }

// stated returns the place that the line of the row with this name states.
func (d *Done) stated(name uint64) place {
	if p := d.answered.stated(name); p != 0 {
		return p
	}
	return d.failed.stated(name)
}

// UsesName reports whether a line has the implied custom_id of this line of the input. Its first call reads all places.
func (d *Done) UsesName(line int64) bool {
	if d.names == nil {
		d.names = make(map[int64]uint64)
		for _, f := range []*fileKeys{&d.answered, &d.failed} {
			for _, segment := range f.places.segments {
				for _, e := range segment {
					if n := -int64(e.request); n > 0 {
						d.names[n/64] |= 1 << (n % 64)
					}
				}
			}
		}
	}
	return d.names[line/64]&(1<<(line%64)) != 0
}

// Len returns the number of rows with a line.
func (d *Done) Len() int64 { return d.answered.len() + d.failed.len() }

// Lines returns the number of answers and of failures.
func (d *Done) Lines() (answered, failed int64) { return d.answered.len(), d.failed.len() }

// seal prepares lookups. It returns the names that occur on more than one line.
func (d *Done) seal() (twice map[uint64]bool) {
	twice = make(map[uint64]bool)
	for _, k := range []*fileKeys{&d.answered, &d.failed} {
		k.seal()
		for _, s := range k.segments {
			for i := 1; i < len(s); i++ {
				if s[i].name == s[i-1].name {
					twice[s[i].name] = true
				}
			}
		}
	}
	for _, segment := range d.failed.segments {
		for _, e := range segment {
			if _, ok := d.answered.find(e.name); ok {
				twice[e.name] = true
			}
		}
	}
	return twice
}

// segments is the number of parts in which keys are sorted. Each part is sorted separately, so that little memory is
// needed twice.
const segments = 64

// keys is a set of row keys. Add all keys first, then call seal, then look up keys. A sorted list has no unused entries,
// in contrast to a map. Before seal it grows by blocks, because a growing slice needs its memory twice and is half empty
// afterwards.
type keys struct {
	blocks   [segments][][]entry // used until seal
	segments [segments][]entry
}

// blockEntries is the number of entries in a block: 8 KiB.
const blockEntries = 512

type entry struct{ name, request uint64 }

func entryOf(k prompt.Key) entry {
	return entry{name: binary.BigEndian.Uint64(k[:8]), request: binary.BigEndian.Uint64(k[8:])}
}

// compare orders entries by name, then by request.
func (e entry) compare(other entry) int {
	return cmp.Or(cmp.Compare(e.name, other.name), cmp.Compare(e.request, other.request))
}

func segmentOf(name uint64) uint64 { return name >> 58 } // the upper 6 of 64 bits

func (k *keys) add(e entry) {
	blocks := &k.blocks[segmentOf(e.name)]
	last := len(*blocks) - 1
	if last < 0 || len((*blocks)[last]) == blockEntries {
		*blocks = append(*blocks, make([]entry, 0, blockEntries))
		last++
	}
	(*blocks)[last] = append((*blocks)[last], e)
}

// maxSorters is the maximum number of cores that sort: each segment in work needs its memory twice.
const maxSorters = 8

// seal sorts the added entries on several cores. Call it once.
func (k *keys) seal() {
	var sorters errgroup.Group
	sorters.SetLimit(min(runtime.GOMAXPROCS(0), maxSorters))
	for i := range k.segments {
		sorters.Go(func() error {
			k.segments[i] = slices.Concat(k.blocks[i]...)
			k.blocks[i] = nil
			slices.SortFunc(k.segments[i], entry.compare)
			return nil
		})
	}
	sorters.Wait()
}

// position is the position of an entry in sealed keys.
type position struct {
	segment uint64
	index   int
}

// find looks up a name. Names are hashes, so the name itself predicts its position in the sorted list. A search that
// starts there touches one or two pages of memory; a plain binary search waits for memory at each step.
func (k *keys) find(name uint64) (position, bool) {
	p := position{segment: segmentOf(name)}
	s := k.segments[p.segment]
	about, _ := bits.Mul64(name<<6, uint64(len(s)))
	from, to := int(about), int(about)
	for step := 32; from > 0 && s[from].name >= name; step *= 2 {
		from = max(0, from-step)
	}
	for step := 32; to < len(s) && s[to].name <= name; step *= 2 {
		to = min(len(s), to+step)
	}
	at, ok := slices.BinarySearchFunc(s[from:to], name, func(e entry, name uint64) int { return cmp.Compare(e.name, name) })
	p.index = from + at
	return p, ok
}

func (k *keys) at(p position) entry { return k.segments[p.segment][p.index] }

func (k *keys) len() int64 {
	n := 0
	for _, s := range k.segments {
		n += len(s)
	}
	return int64(n)
}

// RowSet is a set of rows that have a line, one bit per row. It stays valid while lines are dropped.
type RowSet struct{ answered, failed bitSet }

// bitSet is a set of entries of sealed keys.
type bitSet struct {
	keys keys // shared, and never modified after seal
	bits [segments][]uint64
}

// NewRowSet returns an empty set.
func (d *Done) NewRowSet() *RowSet {
	return &RowSet{answered: bitSet{keys: d.answered.keys}, failed: bitSet{keys: d.failed.keys}}
}

// Add adds the row with the key's name, if it has a line.
func (m *RowSet) Add(k prompt.Key) {
	if !m.answered.add(entryOf(k).name) {
		m.failed.add(entryOf(k).name)
	}
}

// Has reports whether the row with the key's name is in the set.
func (m *RowSet) Has(k prompt.Key) bool {
	name := entryOf(k).name
	return m.answered.has(name) || m.failed.has(name)
}

func (m *bitSet) add(name uint64) bool {
	p, ok := m.keys.find(name)
	if !ok {
		return false
	}
	bits := &m.bits[p.segment]
	if *bits == nil {
		*bits = make([]uint64, len(m.keys.segments[p.segment])/64+1)
	}
	(*bits)[p.index/64] |= 1 << (p.index % 64)
	return true
}

func (m *bitSet) has(name uint64) bool {
	p, ok := m.keys.find(name)
	bits := m.bits[p.segment]
	return ok && bits != nil && bits[p.index/64]&(1<<(p.index%64)) != 0
}
