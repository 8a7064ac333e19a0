package main

import (
	"context"
	"fmt"
)

// throughput is figure a: what fluxworker leaves of the rows that a bare client gets answered, where the server costs next
// to nothing. Both are counted from the first row's request to the process's end, with the results on the disk.
func throughput(ctx context.Context, b *bench) ([]line, error) {
	rows := rows{count: b.size.of(500, 40_000, 200_000), bytes: 1000, last: longAnswer}
	var ours, bare, cpu, bareCPU sample
	connections := 0
	worker := func(ctx context.Context, _ int) error {
		rate, err := b.rate(ctx, rows, func(url string) (usage, error) {
			r, err := b.run(ctx, job{input: rows, url: url, slots: slots})
			connections, cpu = r.InFlight, append(cpu, r.cpu.Seconds())
			return r.usage, err
		})
		ours = append(ours, rate)
		return err
	}
	loop := func(ctx context.Context, _ int) error {
		rate, err := b.rate(ctx, rows, func(url string) (usage, error) {
			u, err := b.loop(ctx, url, connections, rows)
			bareCPU = append(bareCPU, u.cpu.Seconds())
			return u, err
		})
		bare = append(bare, rate)
		return err
	}
	if err := repeat(ctx, b.size.of(1, 9, 9), worker, loop); err != nil {
		return nil, err
	}
	return []line{{
		id: "a", what: "rows/s of `fluxworker run` over those of a bare closed loop, rows of 1 KB, a server of no cost", values: ratios(ours, bare), goal: goal{atLeast, 0.85},
		seen:  fmt.Sprintf("%s against %s rows/s on %d connections", number(ours.median()), number(bare.median()), connections),
		limit: "CPU: the server has its part of the same cores",
	}, {
		id: "a", what: "CPU of the worker over the closed loop's in those runs, start-up included", values: ratios(cpu, bareCPU),
		seen:  "another load on the machine bends it less than the rates",
		limit: "JSON both ways, keys, the result's line; the loop has none of them",
	}}, nil
}

// rate runs a client against a new stand-in of no cost and tells how many rows a second it got answered.
func (b *bench) rate(ctx context.Context, r rows, client func(url string) (usage, error)) (perSecond float64, err error) {
	took, _, err := b.against(ctx, r, client, "--lean")
	return float64(r.count) / took.Seconds(), err
}
