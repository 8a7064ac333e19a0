package result

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fluxworker/worker/prompt"
)

// ErrNoOutput means that no file or folder of the output exists.
var ErrNoOutput = errors.New("there is no such output")

// Part is the output of one run: a whole output, or one of its shards.
type Part struct {
	Shard Shard // zero for a whole output
	Paths Paths
}

// Parts finds the parts of an output by the names of files and folders: the whole output first if a run wrote to it,
// then the shards of every split in order. A whole output that no run wrote to, beside shards, is the result of a merge
// and not a part. The error is ErrNoOutput if nothing exists, and an *OwnedError if the folder belongs to another
// output.
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
		return nil, fmt.Errorf("%w: neither %s nor a shard such as %s exists; use the --output of the run's command",
			ErrNoOutput, whole.Results, strings.TrimSuffix(whole.Results, filepath.Ext(whole.Results))+"."+Shard{Count: 2}.String()+filepath.Ext(whole.Results))
	}
	return parts, nil
}

// shardsIn adds the shards in the names of a folder's entries.
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

// parseShard parses the exact result of Shard.String.
func parseShard(s string) (Shard, bool) {
	index, count, _ := strings.Cut(s, "-of-")
	i, err1 := strconv.Atoi(index)
	n, err2 := strconv.Atoi(count)
	shard := Shard{Index: i, Count: n}
	return shard, err1 == nil && err2 == nil && 0 <= i && i < n && shard.String() == s
}

// compare orders shards by count, then by index. The whole output comes first.
func (s Shard) compare(other Shard) int {
	return cmp.Or(cmp.Compare(s.Count, other.Count), cmp.Compare(s.Index, other.Index))
}

// UsedByRun reports whether a run has ever written to this output: every run leaves its lock in the run folder.
func (p Paths) UsedByRun() bool {
	entries, _ := os.ReadDir(p.Run) // a missing folder has no lock
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

// Split returns how the runs of an output agreed to divide the input: the values in split.json, or the common count of all
// parts. Count is 1 for a whole output, and 0 if the parts disagree.
func Split(output string, parts []Part) (prompt.Shards, error) {
	whole, err := PathsOf(output, Shard{})
	if err != nil {
		return prompt.Shards{}, err
	}
	var pinned struct {
		N     int64 `json:"n"`
		Block int64 `json:"block"`
	}
	err = whole.ReadJSON("split.json", &pinned)
	switch {
	case err == nil && pinned.N < 1:
		return prompt.Shards{}, &RecordError{Path: whole.In("split.json"), Damaged: true, Err: errors.New("it has no number of shards")}
	case err == nil:
		return prompt.Shards{Count: pinned.N, Block: pinned.Block}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return prompt.Shards{}, err
	}
	n := 0
	for i, p := range parts {
		if count := max(1, p.Shard.Count); i == 0 {
			n = count
		} else if n != count {
			return prompt.Shards{}, nil
		}
	}
	return prompt.Shards{Count: int64(n)}, nil
}
