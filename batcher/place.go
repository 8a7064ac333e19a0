package batcher

import (
	"cmp"
	"slices"
	"sort"
)

// job is what is to be placed.
type job struct {
	demand  demand
	shape   shape // of every server; slots and group are varied
	start   int   // slots that a server should have at least
	most    int   // slots that it may have at most
	oneSlot bool  // servers have one slot each, and the numbers count servers on the same devices
	rough   bool  // demand is a rule of thumb
}

// placement is one group of devices with what runs on it.
type placement struct {
	devices []int // indices into the budgets
	slots   int   // at least 1; with job.oneSlot the number of servers
}

// fits is the most slots that a server on group devices can have when each of them has headroom bytes; 0 if none fits.
func (j job) fits(group int, headroom int64) int {
	if j.oneSlot {
		each := j.bytes(1, group)
		return int(min(int64(j.most), headroom/max(each, 1)))
	}
	// The bytes never fall with slots, so the first number that is too large is found by halving.
	return sort.Search(j.most, func(n int) bool { return j.bytes(n+1, group) > headroom })
}

func (j job) bytes(slots, group int) int64 { return sum(j.terms(slots, group)) }

func (j job) terms(slots, group int) []Term {
	s := j.shape
	s.slots, s.group = int64(slots), int64(group)
	return j.demand(s)
}

// enough says whether a server with n slots on group devices is good enough that no more devices are grouped for it: it has
// the start's slots, or leaves at least half of the headroom to them. A server whose weights fill its GPU has few slots, and
// reading the weights for few rows is what costs time: there two GPUs do far more rows as a group than each for itself. The
// less room the weights take, the less the group wins, whose GPUs work in turn. For a server with one slot, and for numbers
// that are rough anyway, any slot is enough.
func (j job) enough(n, group int, headroom int64) bool {
	switch {
	case n == 0:
		return false
	case n >= j.start || j.oneSlot || j.rough:
		return true
	}
	weights := j.terms(1, group)[0].Bytes
	return weights <= headroom/2
}

// place distributes servers over devices. A device that holds enough gets a server of its own, as does a MIG instance that
// holds any: instances cannot be grouped. The rest is grouped so that as many servers as possible have enough
// slots, which makes the groups small; where none can, so that there are as many slots as possible.
func (j job) place(budgets []Budget) []placement {
	var placed []placement
	var rest []int
	for i, b := range budgets {
		if b.Unusable != "" {
			continue
		}
		n := j.fits(1, b.Headroom)
		switch {
		case j.enough(n, 1, b.Headroom) || n > 0 && b.Device.MIG():
			placed = append(placed, placement{[]int{i}, n})
		case !b.Device.MIG():
			rest = append(rest, i)
		}
	}
	placed = append(placed, j.group(budgets, rest)...)
	slices.SortFunc(placed, func(a, b placement) int { return cmp.Compare(a.devices[0], b.devices[0]) })
	return placed
}

// score ranks ways to group devices; the larger of two is better.
type score struct {
	enough  int // servers with enough slots
	slots   int
	idle    int // devices without a server
	servers int
}

func (a score) compare(b score) int {
	return cmp.Or(cmp.Compare(a.enough, b.enough), cmp.Compare(a.slots, b.slots), cmp.Compare(a.idle, b.idle),
		cmp.Compare(a.servers, b.servers))
}

func (a score) plus(b score) score {
	return score{a.enough + b.enough, a.slots + b.slots, a.idle + b.idle, a.servers + b.servers}
}

// group finds the best way to cut devices, sorted by headroom, into groups of neighbours. Neighbours are enough: with even
// shares the smallest device of a group decides, so a group of unlike devices wastes the larger ones' memory.
func (j job) group(budgets []Budget, devices []int) []placement {
	devices = slices.Clone(devices)
	slices.SortStableFunc(devices, func(a, b int) int { return cmp.Compare(budgets[b].Headroom, budgets[a].Headroom) })

	best := make([]score, len(devices)+1) // of the first n devices
	size := make([]int, len(devices)+1)   // of the last group among them; 0: the last device is idle
	slots := make([]int, len(devices)+1)
	for n := 1; n <= len(devices); n++ {
		best[n] = best[n-1].plus(score{idle: 1})
		smallest := budgets[devices[n-1]].Headroom
		for k := 1; k <= n; k++ {
			fit := j.fits(k, smallest)
			if fit == 0 {
				continue
			}
			s := score{slots: fit, servers: 1}
			if j.enough(fit, k, smallest) {
				s.enough = 1
			}
			if s = s.plus(best[n-k]); s.compare(best[n]) > 0 {
				best[n], size[n], slots[n] = s, k, fit
			}
		}
	}
	var placed []placement
	for n := len(devices); n > 0; n -= max(size[n], 1) {
		if size[n] > 0 {
			members := slices.Sorted(slices.Values(devices[n-size[n] : n]))
			placed = append(placed, placement{members, slots[n]})
		}
	}
	return placed
}
