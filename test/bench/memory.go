package main

import (
	"context"
	"fmt"
)

const mib = 1 << 20

// memory is figure e: by how much more rows raise the worker's peak, as a part of what they may raise it by: 32 MiB, and 32
// bytes for each row, whose name must be known so that no second row has it.
func memory(ctx context.Context, b *bench) ([]line, error) {
	few := rows{count: b.size.of(100, 10_000, 10_000), bytes: shortRow, last: longAnswer}
	inputs := []rows{
		{count: b.size.of(1000, 1_000_000, 1_000_000), bytes: shortRow, last: longAnswer},
		{count: b.size.of(500, 100_000, 1_000_000), bytes: 5000, last: longAnswer},
	}
	if b.size == full {
		inputs = append(inputs, rows{count: 10_000_000, bytes: shortRow, last: longAnswer})
	}
	least, err := b.peak(ctx, few)
	if err != nil {
		return nil, err
	}
	var lines []line
	for _, r := range inputs {
		most, err := b.peak(ctx, r)
		if err != nil {
			return lines, err
		}
		allowed := float64(32*mib + 32*r.count)
		lines = append(lines, line{
			id: "e", what: fmt.Sprintf("growth of the peak memory from %d to %d rows of %d B through a pipe, over 32 MiB and 32 B a row", few.count, r.count, r.bytes),
			values: sample{float64(most-least) / allowed}, goal: goal{atMost, 1},
			seen:  fmt.Sprintf("%.1f MiB against %.1f MiB", float64(most)/mib, float64(least)/mib),
			limit: "what tells that a name is not used twice",
		})
	}
	return lines, nil
}

// peak is the worker's largest resident set over rows that come through a pipe, in bytes.
func (b *bench) peak(ctx context.Context, r rows) (int64, error) {
	s, err := b.standIn(ctx, slots, "--lean")
	if err != nil {
		return 0, err
	}
	defer s.stop()
	ran, err := b.run(ctx, job{input: r, pipe: true, url: s.url, slots: slots})
	return ran.peak, err
}
