package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"fluxworker/worker/result"
)

// shards is into how many parts the merged results are split.
const shards = 16

// merge measures how fast shards become one file, and what that takes of memory.
func merge(ctx context.Context, b *bench) ([]line, error) {
	all := b.storedRows()
	few := all
	few.count = b.size.of(200, 10_000, 10_000)
	small, err := b.sharded(ctx, few)
	if err != nil {
		return nil, err
	}
	defer small.drop()
	large, err := b.sharded(ctx, all)
	if err != nil {
		return nil, err
	}
	defer large.drop()
	least, err := b.merge(ctx, small)
	if err != nil {
		return nil, err
	}
	var rate, read, perRow sample
	merge := func(ctx context.Context, _ int) error {
		u, err := b.merge(ctx, large)
		rate = append(rate, rateOf(large.bytes, u.took()))
		perRow = append(perRow, float64(u.peak-least.peak)/float64(all.count-few.count))
		return err
	}
	cat := func(ctx context.Context, _ int) error {
		r, err := b.readRate(ctx, large.files...)
		read = append(read, r)
		return err
	}
	if err := repeat(ctx, b.size.of(1, 3, 3), merge, cat); err != nil {
		return nil, err
	}
	return []line{
		{id: "f", what: fmt.Sprintf("merge of %d rows in %d shards, %.1f GB", all.count, shards, float64(large.bytes)/1e9), values: rate, unit: "MB/s", goal: goal{atLeast, 200}, seen: "read once for the keys, once for the lines; written and synced", limit: "the disk, to which all of it is written"},
		{id: "f", what: "that rate over cat's", values: ratios(rate, read), seen: fmt.Sprintf("cat reads %s MB/s", number(read.median())), limit: "cat writes nothing"},
		{id: "f", what: "memory of a merge for a row", values: perRow, unit: "B", goal: goal{atMost, 40}, seen: fmt.Sprintf("above the %.1f MiB of %d rows", float64(least.peak)/mib, few.count), limit: "where each line stands: 16 bytes, and as much for each name of the input"},
	}, nil
}

// split is an output in shards, with its input.
type split struct {
	dir, input string
	files      []string
	bytes      int64
	drop       func()
}

// sharded makes an output of several tasks that all came to their end.
func (b *bench) sharded(ctx context.Context, r rows) (s split, err error) {
	lines, err := b.resultLines(ctx)
	if err != nil {
		return s, err
	}
	if s.dir, s.drop, err = b.folder("shards-"); err != nil {
		return s, err
	}
	s.input = filepath.Join(s.dir, "rows.jsonl")
	if err = r.file(s.input); err == nil {
		err = s.fill(lines)
	}
	if err != nil {
		s.drop()
	}
	return s, err
}

// fill writes the shards: row i stands in shard i mod n, a few places before or behind, as rows come to their end.
func (s *split) fill(lines *resultLines) error {
	var out [shards]*bufio.Writer
	for i := range out {
		paths, err := result.PathsOf(filepath.Join(s.dir, resultsFile), result.Shard{Index: i, Count: shards})
		if err != nil {
			return err
		}
		f, err := os.Create(paths.Results)
		if err != nil {
			return err
		}
		defer f.Close()
		out[i] = bufio.NewWriterSize(f, mib)
		s.files = append(s.files, paths.Results)
		defer f.Sync() // or the kernel would do it while something is measured
		defer out[i].Flush()
	}
	var held [shards][]byte // of each shard every other line waits for the next one
	err := lines.each(s.input, 0, func(i int, text []byte) error {
		s.bytes += int64(len(text))
		before := &held[i%shards]
		if len(*before) == 0 {
			*before = append(*before, text...)
			return nil
		}
		_, err := out[i%shards].Write(append(text, *before...))
		*before = (*before)[:0]
		return err
	})
	for i, text := range held {
		if err == nil {
			_, err = out[i].Write(text)
		}
	}
	return err
}

func (b *bench) merge(ctx context.Context, s split) (usage, error) {
	to := filepath.Join(s.dir, "all.jsonl")
	defer os.Remove(to)
	return b.process(ctx, process{dir: s.dir, program: b.fluxworker, args: []string{
		"merge", "--input", s.input, "--output", filepath.Join(s.dir, resultsFile), "--to", to,
	}})
}
