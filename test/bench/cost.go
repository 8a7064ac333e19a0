package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
)

// cost is figure d: what a row costs fluxworker. Start-up is taken off: two runs differ in their rows alone.
func cost(ctx context.Context, b *bench) ([]line, error) {
	few := rows{count: b.size.of(50, 1000, 1000), bytes: 1000, last: longAnswer}
	many := few
	many.count = b.size.of(500, 41_000, 101_000)
	more := float64(many.count - few.count)
	var perRow, perToken sample
	measure := func(ctx context.Context, _ int) error {
		least, err := b.costOf(ctx, few)
		if err != nil {
			return err
		}
		most, err := b.costOf(ctx, many)
		micros := float64((most.cpu - least.cpu).Microseconds())
		perRow = append(perRow, micros/more)
		perToken = append(perToken, micros/float64(most.TokensIn+most.TokensOut-least.TokensIn-least.TokensOut)*1000)
		return err
	}
	if err := repeat(ctx, b.size.of(1, 5, 9), measure); err != nil {
		return nil, err
	}
	var allocated, allocations sample
	count := func(ctx context.Context, _ int) error {
		least, err := b.count(ctx, few)
		if err != nil {
			return err
		}
		most, err := b.count(ctx, many)
		allocated = append(allocated, float64(most.Bytes-least.Bytes)/more/1024)
		allocations = append(allocations, float64(most.Count-least.Count)/more)
		return err
	}
	if err := repeat(ctx, b.size.of(1, 3, 3), count); err != nil {
		return nil, err
	}
	seen := fmt.Sprintf("%d rows of 1 KB more, start-up taken off", int(more))
	return []line{
		{id: "d", what: "CPU of the worker for a row", values: perRow, unit: "µs", seen: seen, limit: "the kernel's part of sending and receiving; HTTP and JSON"},
		{id: "d", what: "CPU of the worker for 1,000 tokens, in and out", values: perToken, unit: "µs", seen: "the stand-in's tokens are bytes: some four of them are a token of a real model", limit: "as above"},
		{id: "d", what: "allocated for a row", values: allocated, unit: "KiB", goal: goal{atMost, 40}, seen: "TotalAlloc of a worker in a process of its own", limit: "net/http"},
		{id: "d", what: "allocations for a row", values: allocations, goal: goal{atMost, 150}, seen: "Mallocs of the same", limit: "net/http"},
	}, nil
}

func (b *bench) costOf(ctx context.Context, r rows) (ran, error) {
	s, err := b.standIn(ctx, slots, "--lean")
	if err != nil {
		return ran{}, err
	}
	defer s.stop()
	return b.run(ctx, job{input: r, url: s.url, slots: slots})
}

// count has a process of its own count the allocations of a run.
func (b *bench) count(ctx context.Context, r rows) (allocations, error) {
	var a allocations
	input, err := b.input(r)
	if err != nil {
		return a, err
	}
	dir, drop, err := b.folder("count-")
	if err != nil {
		return a, err
	}
	defer drop()
	s, err := b.standIn(ctx, slots, "--lean")
	if err != nil {
		return a, err
	}
	defer s.stop()
	cmd := exec.CommandContext(ctx, b.self, countCommand, s.url, input, dir)
	cmd.Env = environment()
	out, err := cmd.Output()
	if err != nil {
		return a, fmt.Errorf("count allocations: %w", err)
	}
	return a, json.Unmarshal(out, &a)
}
