package report

import (
	"cmp"
	"slices"
)

// best keeps the rows with the smallest ranks.
type best struct {
	limit int
	rank  func(*measured) uint64
	rows  []ranked // in order
}

type ranked struct {
	rank uint64
	row  shownRow
}

func newBest(limit int, rank func(*measured) uint64) *best { return &best{limit: limit, rank: rank} }

// offer keeps a row if its rank is among the smallest so far. Of equal ranks, the earlier row stays.
func (b *best) offer(m *measured) {
	rank := b.rank(m)
	if len(b.rows) == b.limit && (b.limit == 0 || rank >= b.rows[b.limit-1].rank) {
		return
	}
	at, _ := slices.BinarySearchFunc(b.rows, rank, func(r ranked, rank uint64) int {
		if r.rank <= rank {
			return -1
		}
		return cmp.Compare(r.rank, rank)
	})
	b.rows = slices.Insert(b.rows, at, ranked{rank, m.kept()})
	if len(b.rows) > b.limit {
		b.rows = b.rows[:b.limit]
	}
}
