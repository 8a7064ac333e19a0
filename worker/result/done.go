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

// Done knows the rows that had their line when the output was opened, in 16 bytes each.
type Done struct{ answered, failed keys }

// State of a row against the lines on disk.
type State int

// The states of a row.
const (
	New           State = iota // no line yet
	Answered                   // this very request has its line in the results
	Failed                     // this very request has its line in the errors
	Changed                    // the results have a line with the row's name but another request
	ChangedFailed              // the errors have one
)

// State looks a row up.
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

// Len is how many rows have their line.
func (d *Done) Len() int64 { return d.answered.len() + d.failed.len() }

// Lines is how many of them are answers, and how many failures.
func (d *Done) Lines() (answered, failed int64) { return d.answered.len(), d.failed.len() }

// seal makes lookups possible. It returns the names that stand on more than one line.
func (d *Done) seal() (twice map[uint64]bool) {
	twice = make(map[uint64]bool)
	for _, k := range []*keys{&d.answered, &d.failed} {
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

// segments is into how many parts keys are sorted. Each is sorted by itself, so that never much is there twice.
const segments = 64

// keys holds the halves of rows' keys. It is filled, sealed, and only then asked: a sorted list has no empty places, as a
// map has many. While it is filled it grows by blocks, since a list that grows is there twice, and half empty then.
type keys struct {
	blocks   [segments][][]entry // until they are sealed
	segments [segments][]entry
}

// blockEntries is how many entries a block has room for: 8 KiB of them.
const blockEntries = 512

type entry struct{ name, request uint64 }

func entryOf(k prompt.Key) entry {
	return entry{name: binary.BigEndian.Uint64(k[:8]), request: binary.BigEndian.Uint64(k[8:])}
}

// compare orders entries by their names; of those with one name the lower second half comes first.
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

// mostSorters is on how many cores segments are sorted: each of them is there twice meanwhile.
const mostSorters = 8

// seal sorts what was added, on all cores. It is called once.
func (k *keys) seal() {
	var sorters errgroup.Group
	sorters.SetLimit(min(runtime.GOMAXPROCS(0), mostSorters))
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

// place is where an entry stands in sealed keys.
type place struct {
	segment uint64
	index   int
}

// find looks a name up. Names are hashes, so it is known about where in the list one stands: a search that begins there stays
// within a page or two of memory, where one through all of the list waits for memory at each step.
func (k *keys) find(name uint64) (place, bool) {
	p := place{segment: segmentOf(name)}
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

func (k *keys) at(p place) entry { return k.segments[p.segment][p.index] }

func (k *keys) len() int64 {
	n := 0
	for _, s := range k.segments {
		n += len(s)
	}
	return int64(n)
}

// Marks is a set of rows that have their line, a bit for each. It stays valid while lines are dropped.
type Marks struct{ answered, failed marks }

// marks are for sealed keys.
type marks struct {
	keys keys // the lists are shared, and never changed once they are sealed
	bits [segments][]uint64
}

// NewMarks makes an empty set.
func (d *Done) NewMarks() *Marks {
	return &Marks{answered: marks{keys: d.answered}, failed: marks{keys: d.failed}}
}

// Add marks the line that has the row's name.
func (m *Marks) Add(k prompt.Key) {
	if !m.answered.add(entryOf(k).name) {
		m.failed.add(entryOf(k).name)
	}
}

// Has tells whether the line that has the row's name is marked.
func (m *Marks) Has(k prompt.Key) bool {
	name := entryOf(k).name
	return m.answered.has(name) || m.failed.has(name)
}

func (m *marks) add(name uint64) bool {
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

func (m *marks) has(name uint64) bool {
	p, ok := m.keys.find(name)
	bits := m.bits[p.segment]
	return ok && bits != nil && bits[p.index/64]&(1<<(p.index%64)) != 0
}
