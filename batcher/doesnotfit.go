package batcher

import (
	"cmp"
	"slices"
)

const (
	// minAdvisedContext is the shortest context in an advice: a shorter one has no room for a prompt and its answer.
	minAdvisedContext = 512
	// maxAdvisedGPUs is the largest number of GPUs in an advice; no node has more.
	maxAdvisedGPUs = 16
)

// widest returns the usable whole GPUs, the largest headroom first, or the largest MIG instance without whole GPUs.
func widest(budgets []Budget) []int {
	var gpus, instances []int
	for i, b := range budgets {
		switch {
		case b.Unusable != "":
		case b.Device.MIG():
			instances = append(instances, i)
		default:
			gpus = append(gpus, i)
		}
	}
	byHeadroom := func(a, b int) int { return cmp.Compare(budgets[b].Headroom, budgets[a].Headroom) }
	slices.SortStableFunc(gpus, byHeadroom)
	if len(gpus) > 0 {
		return gpus
	}
	slices.SortStableFunc(instances, byHeadroom)
	return instances[:1]
}

// doesNotFit returns the error for a job without room for one slot: the layout that lacks the least memory, and changes
// that would help.
func doesNotFit(model string, j job, budgets []Budget) *DoesNotFitError {
	e := &DoesNotFitError{Model: model, Context: int(j.spec.context), KVCacheType: j.spec.cache, Devices: budgets}
	order := widest(budgets)
	var smallestLack int64
	for k := 1; k <= len(order); k++ {
		last := order[k-1]
		lack := j.bytes(1, k) - budgets[last].Headroom
		if k == 1 || lack < smallestLack {
			smallestLack = lack
			e.Group, e.Nearest, e.Terms = k, last, j.terms(1, k)
		}
	}
	for i, b := range budgets { // a MIG instance can have more free memory than a busy GPU
		if b.Unusable == "" && j.bytes(1, 1)-b.Headroom < smallestLack {
			smallestLack = j.bytes(1, 1) - b.Headroom
			e.Group, e.Nearest, e.Terms = 1, i, j.terms(1, 1)
		}
	}
	e.Bytes = sum(e.Terms)
	e.Changes = changes(j, budgets, order)
	return e
}

// changes tries a smaller cache type, then a shorter context, also with that type, then more GPUs.
func changes(j job, budgets []Budget, order []int) []Change {
	fits := func(j job) bool {
		j.wantedSlots, j.maxSlots = 1, 1
		return len(j.packDevices(budgets)) > 0
	}
	with := func(cache string) job {
		smaller := j
		smaller.spec.cache = cache
		return smaller
	}
	var found []Change
	better := cacheTypes[slices.Index(cacheTypes, j.spec.cache)+1:]
	if j.spec.noFlash {
		better = nil
	}
	for _, cache := range better {
		if fits(with(cache)) {
			found = append(found, Change{KVCacheType: cache})
			break
		}
	}
	wanted := int(j.spec.context)
	if c := longestContext(j, fits, minAdvisedContext, wanted); c > 0 {
		found = append(found, Change{Context: c})
	}
	if len(found) == 0 && len(better) > 0 {
		last := better[len(better)-1]
		if c := longestContext(with(last), fits, minAdvisedContext, wanted); c > 0 {
			found = append(found, Change{KVCacheType: last, Context: c})
		}
	}
	largest := budgets[order[0]]
	if !largest.Device.MIG() {
		for k := 2; k <= maxAdvisedGPUs; k++ {
			if j.bytes(1, k) <= largest.Headroom {
				return append(found, Change{GPUs: k})
			}
		}
	}
	return found
}

// longestContext returns the longest context from minimum to below wanted tokens for which ok is true; 0 if there is
// none. It is a multiple of 256, like the cache. A longer context must not turn ok from false to true.
func longestContext(j job, ok func(job) bool, minimum, wanted int) int {
	low, high := (minimum+cellPadding-1)/cellPadding, (wanted-1)/cellPadding
	with := func(steps int) job {
		shorter := j
		shorter.spec.context = int64(steps) * cellPadding
		return shorter
	}
	if low < 1 || low > high || !ok(with(low)) {
		return 0
	}
	for low < high {
		middle := (low + high + 1) / 2
		if ok(with(middle)) {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low * cellPadding
}
