package modelcfg

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// maxCompared limits the length of texts that are compared: the time grows with its square.
const maxCompared = 64

// suggest returns the known key that key probably misspells, or "".
func suggest(key string, known map[string]setter) string {
	best := ""
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if misspells(key, k) && (best == "" || levenshtein.ComputeDistance(key, k) < levenshtein.ComputeDistance(key, best)) {
			best = k
		}
	}
	return best
}

// misspells reports whether text is probably a misspelling of known. A misspelling has at most two edits and at most a
// third of the known text's length.
func misspells(text, known string) bool {
	if len(text) > maxCompared {
		return false
	}
	d := levenshtein.ComputeDistance(text, known)
	return d <= 2 && d*3 <= len(known)
}

// maxNearest is the number of names in a message.
const maxNearest = 3

// Nearest returns up to three names of models with an Ollama tag that resemble name, the most similar first: names with
// few edits, ignoring case and the owner before a slash, and names of the same family (the part before the colon).
func (c *Catalog) Nearest(name string) []string {
	wanted := plainName(name)
	if len(wanted) > maxCompared {
		return nil
	}
	family, _, _ := strings.Cut(wanted, ":")
	type candidate struct {
		name     string
		distance int
	}
	var found []candidate
	for _, m := range slices.Concat(c.models, c.further, c.aliases) {
		known := plainName(m.Name)
		related, _, _ := strings.Cut(known, ":")
		if d := levenshtein.ComputeDistance(wanted, known); m.Tag() != "" && (d*3 <= len(known) || related == family) {
			found = append(found, candidate{m.Name, d})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	var names []string
	for _, f := range found[:min(len(found), maxNearest)] {
		names = append(names, f.name)
	}
	return names
}

// plainName returns a name in lower case and without an owner such as "Qwen/".
func plainName(name string) string {
	return strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
}
