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
	start   int   // slots that a server should have at least; fewer are taken, with a warning
	most    int   // slots that it may have at most
	oneSlot bool  // servers have one slot each, and the numbers count servers on the same devices
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
		return int(min(int64(j.most), headroom/max(each, 1), int64(splits(group))))
	}
	// Neither the bytes nor what they save fall with slots, so the first number that is too large is found by halving.
	return sort.Search(j.most, func(n int) bool { return j.bytes(n+1, group) > headroom || !j.worth(n+1, group) })
}

// splits is how much more of the layers each device has at most when a group is halved. Of a single device nothing can be
// halved, and its servers are not limited.
func splits(group int) int {
	if group == 1 {
		return MaxSlots
	}
	half := group / 2
	return (group + half - 1) / half
}

// worth says whether n slots are what a group is made for: to share weights that half of it would hardly hold. Its devices
// work one after the other, so once each half holds the model by itself, two servers do more rows with the same slots. From
// there on the group gets no slots for further memory, and is overtaken by the halves. The limit is the memory that half
// of the group needs to hold one slot:
//
//	weights of the group + n slots' cache <= weights of the half + one slot's cache
//
// for each device, where one slot takes in the half at most splits times what it takes in the group. While the half does
// not hold the model this forbids nothing that fits. The limit has no other memory in it, which would make it rise with
// the context now and then.
func (j job) worth(n, group int) bool {
	more := n - splits(group)
	if group == 1 || more <= 0 {
		return true
	}
	weights, cache := split(j.terms(n, group))
	whole, _ := split(j.terms(n, group/2))
	return times(int64(more), cache) <= times(int64(n), whole-weights)
}

// split is the memory that lies in layers: the weights, and what the slots have beside them.
func split(terms []Term) (weights, cache int64) {
	for _, t := range terms[1:] {
		if slices.Contains(perSlot, t.Name) {
			cache = plus(cache, t.Bytes)
		}
	}
	return terms[0].Bytes, cache
}

func (j job) bytes(slots, group int) int64 { return sum(j.terms(slots, group)) }

func (j job) terms(slots, group int) []Term {
	s := j.shape
	s.slots, s.group = int64(slots), int64(group)
	return j.demand(s)
}

// place distributes servers over devices. Of all layouts that fit it takes one with the most slots, of those the one with
// the most servers. Slots are what counts because reading the weights for few rows is what costs time; a server never has
// more than job.most, beyond which they win little, and so GPUs that hold that many between them get a server each.
//
// What every layout holds can only grow with the memory of its devices, and so does the best of them: more memory, or
// one more device, never gives fewer slots. MIG instances cannot be grouped.
func (j job) place(budgets []Budget) []placement {
	var placed []placement
	var whole []int
	for i, b := range budgets {
		switch {
		case b.Unusable != "":
		case !b.Device.MIG():
			whole = append(whole, i)
		default:
			if n := j.fits(1, b.Headroom); n > 0 {
				placed = append(placed, placement{[]int{i}, n})
			}
		}
	}
	placed = append(placed, j.group(budgets, whole)...)
	slices.SortFunc(placed, func(a, b placement) int { return cmp.Compare(a.devices[0], b.devices[0]) })
	return placed
}

// score ranks layouts; the larger of two is better.
type score struct {
	slots   int
	servers int // each works by itself, and one that is lost takes no other along
	idle    int // devices without a server: no more of them than needed exchange data
}

func (a score) compare(b score) int {
	return cmp.Or(cmp.Compare(a.slots, b.slots), cmp.Compare(a.servers, b.servers), cmp.Compare(a.idle, b.idle))
}

func (a score) plus(b score) score {
	return score{a.slots + b.slots, a.servers + b.servers, a.idle + b.idle}
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
			if s := best[n-k].plus(score{slots: fit, servers: 1}); s.compare(best[n]) > 0 {
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
