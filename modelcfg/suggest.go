package modelcfg

import (
	"maps"
	"slices"
)

// suggest returns the known key that key probably misspells, or "". A misspelling has at most two edits
// and at most a third of the key's length.
func suggest(key string, known map[string]setter) string {
	if len(key) > 64 {
		return ""
	}
	best, bestDistance := "", 3
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if d := editDistance(key, k); d < bestDistance && d*3 <= len(k) {
			best, bestDistance = k, d
		}
	}
	return best
}

// editDistance returns the number of single-byte insertions, deletions and replacements between a and b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j]+1, row[j+1]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
