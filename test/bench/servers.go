package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"fluxworker/test/build"
	"fluxworker/test/fakenvml"
)

// mostServers is the number of servers of one run in figure h.
const mostServers = 8

// servers is figure h: what eight servers answer over what one does. Each has a GPU of its own, by a stand-in for NVML.
func servers(ctx context.Context, b *bench) ([]line, error) {
	library, err := fakeNVML()
	if err != nil {
		return nil, err
	}
	var one, many, busy sample
	each := b.size.of(64, 8000, 24_000)
	side := func(n int, into *sample) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			rate, part, err := b.rateOfServers(ctx, library, n, n*each)
			*into = append(*into, rate)
			if n == mostServers {
				busy = append(busy, 100*part)
			}
			return err
		}
	}
	if err := repeat(ctx, b.size.of(1, 3, 5), side(mostServers, &many), side(1, &one)); err != nil {
		return nil, err
	}
	return []line{{
		id: "h", what: fmt.Sprintf("rows/s of %d servers behind one run over those of one, %d slots each, 20 ms a row", mostServers, slots), values: ratios(many, one), goal: goal{atLeast, 7.5},
		seen: fmt.Sprintf("%s against %s rows/s; worker and %d servers took %s %% of the machine's cores", number(many.median()), number(one.median()),
			mostServers, number(busy.median())),
		limit: "CPU: the stand-ins share the worker's cores",
	}}, nil
}

func fakeNVML() (folder string, err error) {
	cache, err := build.Folder()
	if err != nil {
		return "", err
	}
	return fakenvml.Library(cache)
}

// rateOfServers returns the rows per second of a run with a number of servers, from the first row's request to the last
// answer: servers take their time to end, and no row waits for that. Busy is the part of the machine's cores that the worker
// and its servers had in that time.
func (b *bench) rateOfServers(ctx context.Context, library string, n, count int) (rate, busy float64, _ error) {
	dir, drop, err := b.folder("servers-")
	if err != nil {
		return 0, 0, err
	}
	defer drop()
	var table strings.Builder
	for i := range n {
		fmt.Fprintf(&table, "gpu uuid=GPU-%d0000000-1111-2222-3333-444444444444 pci=00000000:0%d:00.0 reserved_mib=692\n", i, i)
	}
	gpus := filepath.Join(dir, "gpus")
	if err := os.WriteFile(gpus, []byte(table.String()), 0o600); err != nil {
		return 0, 0, err
	}
	j := job{
		input: rows{count: count, bytes: shortRow, last: longAnswer}, slots: slots,
		more: append(b.ownServers(dir, "--lean", "--gpu", "--delay", "20ms"), "--device", "auto"),
		env:  []string{"LD_LIBRARY_PATH=" + library, "FAKE_NVML_FILE=" + gpus},
	}
	r, err := b.run(ctx, j)
	if err != nil {
		return 0, 0, err
	}
	seen, err := askedRecords(dir)
	if err != nil {
		return 0, 0, err
	}
	if len(seen) != n {
		return 0, 0, fmt.Errorf("%d servers were asked rows, want %d", len(seen), n)
	}
	var first, last time.Time
	for _, s := range seen {
		if first.IsZero() || s.FirstRequest.Before(first) {
			first = s.FirstRequest
		}
		if s.LastAnswer.After(last) {
			last = s.LastAnswer
		}
	}
	span := last.Sub(first).Seconds()
	return float64(count) / span, r.cpu.Seconds() / span / float64(runtime.NumCPU()), nil
}
