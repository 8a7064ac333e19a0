package result

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNoOutput means that there is nothing by the name of an output.
var ErrNoOutput = errors.New("there is no such output")

// Part is what one run writes at a time: a whole output, or a shard of one.
type Part struct {
	Shard Shard // zero for the whole
	Paths Paths
}

// Parts finds what there is of an output, by the names of files and folders: the shards of every split, in their order,
// and before them the whole, where a run wrote to it. A whole without traces of a run, beside shards, is what they were
// merged to, and no part. The error is ErrNoOutput where there is nothing, and an OwnedError where the folder is another
// output's.
func Parts(output string) ([]Part, error) {
	whole, err := PathsOf(output, Shard{})
	if err != nil {
		return nil, err
	}
	if err := whole.checkOwner(); err != nil {
		return nil, err
	}
	found := make(map[Shard]bool)
	for _, file := range []string{whole.Results, whole.Errors} {
		ext := filepath.Ext(file)
		if err := shardsIn(filepath.Dir(file), strings.TrimSuffix(filepath.Base(file), ext)+".", ext, found); err != nil {
			return nil, err
		}
	}
	if err := shardsIn(whole.Run, "", "", found); err != nil {
		return nil, err
	}
	var parts []Part
	for shard := range found {
		paths, err := PathsOf(output, shard)
		if err != nil {
			return nil, err
		}
		parts = append(parts, Part{Shard: shard, Paths: paths})
	}
	slices.SortFunc(parts, func(a, b Part) int { return a.Shard.compare(b.Shard) })
	if whole.UsedByRun() || len(parts) == 0 && whole.exist() {
		parts = slices.Insert(parts, 0, Part{Paths: whole})
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("%w: neither %s nor shards of it such as %s; give the --output of the run, as its command has it",
			ErrNoOutput, whole.Results, strings.TrimSuffix(whole.Results, filepath.Ext(whole.Results))+"."+Shard{Count: 2}.String()+filepath.Ext(whole.Results))
	}
	return parts, nil
}

// shardsIn adds the shards that names in a folder tell of.
func shardsIn(dir, before, behind string, found map[Shard]bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for shards: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), before)
		if !ok {
			continue
		}
		if name, ok = strings.CutSuffix(name, behind); !ok {
			continue
		}
		if shard, ok := parseShard(name); ok {
			found[shard] = true
		}
	}
	return nil
}

// parseShard reads what String writes, and nothing else.
func parseShard(s string) (Shard, bool) {
	index, count, _ := strings.Cut(s, "-of-")
	i, err1 := strconv.Atoi(index)
	n, err2 := strconv.Atoi(count)
	shard := Shard{Index: i, Count: n}
	return shard, err1 == nil && err2 == nil && 0 <= i && i < n && shard.String() == s
}

// compare orders shards by their split, then by their place in it. The whole comes first.
func (s Shard) compare(other Shard) int {
	return cmp.Or(cmp.Compare(s.Count, other.Count), cmp.Compare(s.Index, other.Index))
}

// UsedByRun tells whether a run has ever written to these places: every run leaves its lock in its folder.
func (p Paths) UsedByRun() bool {
	entries, _ := os.ReadDir(p.Run) // what is not there was not used
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), lockPrefix) })
}

func (p Paths) exist() bool {
	for _, path := range []string{p.Results, p.Errors} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// Split is into how many shards the runs of an output have agreed to divide it: what split.json in its folder says, or
// where there is none, what all of the parts have in common. It is 1 for a whole, and 0 where the parts disagree.
func Split(output string, parts []Part) (int, error) {
	whole, err := PathsOf(output, Shard{})
	if err != nil {
		return 0, err
	}
	path := whole.In("split.json")
	data, err := os.ReadFile(path)
	switch {
	case err == nil:
		var pinned struct {
			N int `json:"n"`
		}
		if err := json.Unmarshal(data, &pinned); err != nil || pinned.N < 1 {
			return 0, fmt.Errorf("read %s: it does not say into how many shards the output is split", path)
		}
		return pinned.N, nil
	case !errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("read split: %w", err)
	}
	n := 0
	for i, p := range parts {
		if count := max(1, p.Shard.Count); i == 0 {
			n = count
		} else if n != count {
			return 0, nil
		}
	}
	return n, nil
}
