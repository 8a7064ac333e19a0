package batcher

import (
	"cmp"
	"slices"
	"sort"
)

// job is a model to distribute over devices.
type job struct {
	memoryFor   memoryFor
	spec        serverSpec // of every server; slots and group vary
	wantedSlots int        // wanted slots per server; fewer are accepted, with a warning
	maxSlots    int        // maximum slots per server
	oneSlot     bool       // servers have one slot each, and the numbers count servers on the same devices
}

// placement is a group of devices with its slots.
type placement struct {
	devices []int // indices of the budgets
	slots   int   // at least 1; with job.oneSlot the number of servers
}

// fits returns the maximum number of slots of a server on group devices with the given headroom in bytes each; 0 if
// none fits.
func (j job) fits(group int, headroom int64) int {
	if j.oneSlot {
		each := j.bytes(1, group)
		return int(min(int64(j.maxSlots), headroom/max(each, 1), int64(halvingFactor(group))))
	}
	// The bytes do not fall with slots, and neither does the benefit limit, so a binary search finds the limit.
	return sort.Search(j.maxSlots, func(n int) bool { return j.bytes(n+1, group) > headroom || !j.groupWorthIt(n+1, group) })
}

// halvingFactor returns the maximum growth of each device's part of the layers when a group is halved. A single device
// cannot be halved, and the number of its servers is not limited.
func halvingFactor(group int) int {
	if group == 1 {
		return MaxSlots
	}
	half := group / 2
	return (group + half - 1) / half
}

// groupWorthIt reports whether n slots justify a group: a group shares weights that half of it can hardly hold. Its
// devices work one after the other, so once each half holds the model by itself, two servers process more rows with the
// same slots. From then on the group gets no slots for further memory, and the halves overtake it. The limit is the
// memory that half of the group needs for one slot:
//
// \tweights of the group + n slots' cache <= weights of the half + one slot's cache
//
// for each device, where one slot needs in the half at most halvingFactor times its memory in the group. While the half
// does not hold the model, this excludes nothing that fits. The limit contains no other memory, which would make it
// rise with the context in some cases.
func (j job) groupWorthIt(n, group int) bool {
	more := n - halvingFactor(group)
	if group == 1 || more <= 0 {
		return true
	}
	weights, cache := weightsAndCache(j.terms(n, group))
	whole, _ := weightsAndCache(j.terms(n, group/2))
	return times(int64(more), cache) <= times(int64(n), whole-weights)
}

// weightsAndCache returns the memory that is split by layers: the weights, and the memory of the slots besides them.
func weightsAndCache(terms []Term) (weights, cache int64) {
	for _, t := range terms[1:] {
		if slices.Contains(perSlot, t.Name) {
			cache = plus(cache, t.Bytes)
		}
	}
	return terms[0].Bytes, cache
}

func (j job) bytes(slots, group int) int64 { return sum(j.terms(slots, group)) }

func (j job) terms(slots, group int) []Term {
	s := j.spec
	s.slots, s.group = int64(slots), int64(group)
	return j.memoryFor(s)
}

// packDevices distributes servers over devices. Of all layouts that fit it chooses one with the most slots, and of
// these the one with the most servers. Slots count first because reading the weights for few rows is slow. A server
// never has more than job.maxSlots slots, beyond which slots gain little; so GPUs that together hold more slots than
// that get a server each.
//
// The slots of every layout can only grow with the memory of its devices, and so do those of the best layout: more
// memory or one more device never gives fewer slots. MIG instances cannot be grouped.
func (j job) packDevices(budgets []Budget) []placement {
	var placements []placement
	var whole []int
	for i, b := range budgets {
		switch {
		case b.Unusable != "":
		case !b.Device.MIG():
			whole = append(whole, i)
		default:
			if n := j.fits(1, b.Headroom); n > 0 {
				placements = append(placements, placement{[]int{i}, n})
			}
		}
	}
	placements = append(placements, j.group(budgets, whole)...)
	slices.SortFunc(placements, func(a, b placement) int { return cmp.Compare(a.devices[0], b.devices[0]) })
	return placements
}

// score ranks layouts; a larger score is better.
type score struct {
	slots   int
	servers int // servers work independently, and a lost server affects no other
	idle    int // devices without a server: fewer devices exchange data
}

func (a score) compare(b score) int {
	return cmp.Or(cmp.Compare(a.slots, b.slots), cmp.Compare(a.servers, b.servers), cmp.Compare(a.idle, b.idle))
}

func (a score) plus(b score) score {
	return score{a.slots + b.slots, a.servers + b.servers, a.idle + b.idle}
}

// group finds the best division of devices, sorted by headroom, into groups of neighbours. Neighbours are enough: with
// even shares the smallest device of a group decides, so a group of different devices wastes memory of the larger ones.
func (j job) group(budgets []Budget, devices []int) []placement {
	devices = slices.Clone(devices)
	slices.SortStableFunc(devices, func(a, b int) int { return cmp.Compare(budgets[b].Headroom, budgets[a].Headroom) })

	best := make([]score, len(devices)+1) // best score of the first n devices
	size := make([]int, len(devices)+1)   // size of the last group among the first n devices; 0 means that the last device is idle
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
	var placements []placement
	for n := len(devices); n > 0; n -= max(size[n], 1) {
		if size[n] > 0 {
			members := slices.Sorted(slices.Values(devices[n-size[n] : n]))
			placements = append(placements, placement{members, slots[n]})
		}
	}
	return placements
}
