package batcher

import (
	"cmp"
	"slices"
)

const (
	// leastContext is the shortest context that is advised: below it there is no room for a prompt and its answer.
	leastContext = 512
	// mostGPUs is how many GPUs are advised at most; a node has no more.
	mostGPUs = 16
)

// widest is the whole GPUs that can be used, largest headroom first, or the largest MIG instance where there are none.
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

// misfit is the error for a job of which no slot could be placed: the layout that lacks least, and what would help.
func misfit(model string, j job, budgets []Budget) *DoesNotFitError {
	e := &DoesNotFitError{Model: model, Context: int(j.shape.context), KVCacheType: j.shape.cache, Devices: budgets}
	order := widest(budgets)
	var least int64
	for k := 1; k <= len(order); k++ {
		last := order[k-1]
		lack := j.bytes(1, k) - budgets[last].Headroom
		if k == 1 || lack < least {
			least = lack
			e.Group, e.Nearest, e.Terms = k, last, j.terms(1, k)
		}
	}
	for i, b := range budgets { // a MIG instance can have more free than a busy GPU
		if b.Unusable == "" && j.bytes(1, 1)-b.Headroom < least {
			least = j.bytes(1, 1) - b.Headroom
			e.Group, e.Nearest, e.Terms = 1, i, j.terms(1, 1)
		}
	}
	e.Bytes = sum(e.Terms)
	e.Changes = changes(j, budgets, order)
	return e
}

// changes tries a smaller cache type, then a shorter context with it, then more GPUs.
func changes(j job, budgets []Budget, order []int) []Change {
	fits := func(j job) bool {
		j.start, j.most = 1, 1
		return len(j.place(budgets)) > 0
	}
	with := func(cache string) job {
		smaller := j
		smaller.shape.cache = cache
		return smaller
	}
	var found []Change
	better := cacheTypes[slices.Index(cacheTypes, j.shape.cache)+1:]
	if j.shape.noFlash {
		better = nil
	}
	for _, cache := range better {
		if fits(with(cache)) {
			found = append(found, Change{KVCacheType: cache})
			break
		}
	}
	wanted := int(j.shape.context)
	if c := longestContext(j, fits, leastContext, wanted); c > 0 {
		found = append(found, Change{Context: c})
	}
	if len(found) == 0 && len(better) > 0 {
		last := better[len(better)-1]
		if c := longestContext(with(last), fits, leastContext, wanted); c > 0 {
			found = append(found, Change{KVCacheType: last, Context: c})
		}
	}
	largest := budgets[order[0]]
	if !largest.Device.MIG() {
		for k := 2; k <= mostGPUs; k++ {
			if j.bytes(1, k) <= largest.Headroom {
				return append(found, Change{GPUs: k})
			}
		}
	}
	return found
}

// longestContext is the longest context of at least least and below wanted tokens with which ok holds; 0 if there is none.
// It is a multiple of 256, as the cache is. ok must not turn true with more context.
func longestContext(j job, ok func(job) bool, least, wanted int) int {
	low, high := (least+cellPadding-1)/cellPadding, (wanted-1)/cellPadding
	with := func(steps int) job {
		shorter := j
		shorter.shape.context = int64(steps) * cellPadding
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
