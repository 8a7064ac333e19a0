package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// resume measures a run whose rows are all answered but the first: how long its results keep that row from being asked. The
// server is there already, so that its start hides nothing.
func resume(ctx context.Context, b *bench) ([]line, error) {
	all := b.storedRows()
	input, err := b.input(all)
	if err != nil {
		return nil, err
	}
	defer os.Remove(input)
	dir, drop, err := b.folder("resume-")
	if err != nil {
		return nil, err
	}
	defer drop()
	size, err := b.answeredButOne(ctx, input, dir)
	if err != nil {
		return nil, err
	}
	results := filepath.Join(dir, resultsFile)
	var rate, read, whole, perRow sample
	var fresh usage
	scan := func(ctx context.Context, _ int) error {
		if err := os.Truncate(results, size); err != nil { // without the line of the turn before
			return err
		}
		nothing, first, err := b.firstAsked(ctx, func(url string) (usage, error) {
			r, err := b.run(ctx, job{input: rows{count: 1, bytes: all.bytes, last: all.last}, url: url, slots: slots})
			return r.usage, err
		})
		if err != nil {
			return err
		}
		u, resumed, err := b.firstAsked(ctx, func(url string) (usage, error) {
			return b.process(ctx, process{dir: dir, program: b.fluxworker, args: job{url: url, slots: slots}.args(input, dir)})
		})
		fresh = nothing
		rate = append(rate, rateOf(size, resumed-first))
		whole = append(whole, u.took().Seconds())
		perRow = append(perRow, float64(u.peak-nothing.peak)/float64(all.count))
		return err
	}
	cat := func(ctx context.Context, _ int) error {
		r, err := b.readRate(ctx, results)
		read = append(read, r)
		return err
	}
	if err := repeat(ctx, b.size.of(1, 3, 3), scan, cat); err != nil {
		return nil, err
	}
	what := fmt.Sprintf("a run resumes, %d rows done in %.1f GB", all.count-1, float64(size)/1e9)
	return []line{
		{id: "f", what: what + ": results read until the first row is asked", values: rate, unit: "MB/s", goal: goal{atLeast, 500}, seen: fmt.Sprintf("the whole run takes %s s", number(whole.median())), limit: "finding the key in each line, and sorting them"},
		{id: "f", what: "that rate over cat's", values: ratios(rate, read), seen: fmt.Sprintf("cat reads %s MB/s from the page cache", number(read.median())), limit: "cat looks at nothing"},
		{id: "f", what: "memory of that run for a row done", values: perRow, unit: "B", seen: fmt.Sprintf("above the %.1f MiB of a run of one row", float64(fresh.peak)/mib), limit: "16 bytes of key for each line, as much for each name of the input, and Go's garbage"},
	}, nil
}

// firstAsked returns the time from the start of a client to the request of its one row.
func (b *bench) firstAsked(ctx context.Context, client func(url string) (usage, error)) (u usage, after time.Duration, err error) {
	_, record, err := b.against(ctx, rows{count: 1}, func(url string) (_ usage, err error) {
		u, err = client(url)
		return u, err
	}, "--lean")
	return u, record.FirstRequest.Sub(u.began), err
}

// answeredButOne makes an output in a folder that has a line for each row of the input but the first, and returns the size
// of the results. A real run begins it, so that nothing about it is made up but the lines.
func (b *bench) answeredButOne(ctx context.Context, input, dir string) (size int64, err error) {
	if err := b.begin(ctx, input, dir); err != nil {
		return 0, err
	}
	lines, err := b.resultLines(ctx)
	if err != nil {
		return 0, err
	}
	f, err := os.Create(filepath.Join(dir, resultsFile))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, mib)
	err = lines.each(input, 1, func(_ int, text []byte) error {
		size += int64(len(text))
		_, err := w.Write(text)
		return err
	})
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync() // or the kernel would do it while something is measured
	}
	return size, err
}

// exitServerFailed is the exit code of a run whose server is gone.
const exitServerFailed = 82

// begin runs fluxworker over an input until it has asked something: the server goes at the first row.
func (b *bench) begin(ctx context.Context, input, dir string) error {
	s, err := b.standIn(ctx, 1, "--fault", "exit@1")
	if err != nil {
		return err
	}
	defer s.stop()
	_, err = b.process(ctx, process{
		dir: dir, program: b.fluxworker, args: job{url: s.url, slots: 1, more: []string{"--max-retries", "0"}}.args(input, dir), code: exitServerFailed,
	})
	return err
}
