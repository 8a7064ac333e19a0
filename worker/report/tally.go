package report

import (
	"cmp"
	"maps"
	"slices"
)

// tally counts names. Beyond a limit, further names count together.
type tally struct {
	limit  int
	counts map[string]int64
}

func newTally(limit int) tally { return tally{limit, make(map[string]int64)} }

// add counts a name, and returns the name under which it counts.
func (t tally) add(name string) string {
	name = clip(name, maxName)
	if _, known := t.counts[name]; !known && len(t.counts) >= t.limit {
		name = otherReasons
	}
	t.counts[name]++
	return name
}

// counted is a name of a tally.
type counted struct {
	Name  string
	Count int64
	Share float64 // of the largest count, in percent
}

// list returns the names, the most frequent first.
func (t tally) list() []counted {
	var list []counted
	for _, name := range slices.Sorted(maps.Keys(t.counts)) {
		list = append(list, counted{Name: name, Count: t.counts[name]})
	}
	slices.SortStableFunc(list, func(a, b counted) int { return cmp.Compare(b.Count, a.Count) })
	for i := range list {
		list[i].Share = 100 * float64(list[i].Count) / float64(list[0].Count)
	}
	return list
}
