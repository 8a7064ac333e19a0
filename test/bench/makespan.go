package main

import (
	"context"
	"fmt"
	"strconv"
)

// makespan is figure b: the time for a number of rows where each takes a slot for 20 ms, over that of a closed loop with a
// connection for each slot. A slot of the loop's stands empty from its answer to its next question; fluxworker has a few rows
// more with the server than there are slots.
func makespan(ctx context.Context, b *bench) ([]line, error) {
	const delay = "20ms"
	rows := rows{count: b.size.of(320, 16_000, 48_000), bytes: shortRow, last: longAnswer}
	type seen struct{ makespan, empty, idle sample } // seconds; percent
	var ours, bare seen
	side := func(client func(url string) (usage, error), seen *seen) error {
		took, record, err := b.against(ctx, rows, client, "--lean", "--delay", delay)
		window := slots * record.LastAnswer.Sub(record.FirstRequest).Seconds()
		seen.makespan = append(seen.makespan, took.Seconds())
		seen.empty = append(seen.empty, 100*(1-record.SlotSeconds/window))
		seen.idle = append(seen.idle, 100*(1-record.WorkSeconds/window))
		return err
	}
	worker := func(ctx context.Context, _ int) error {
		return side(func(url string) (usage, error) {
			r, err := b.run(ctx, job{input: rows, url: url, slots: slots})
			return r.usage, err
		}, &ours)
	}
	loop := func(ctx context.Context, _ int) error {
		return side(func(url string) (usage, error) { return b.loop(ctx, url, slots, rows) }, &bare)
	}
	if err := repeat(ctx, b.size.of(1, 3, 5), worker, loop); err != nil {
		return nil, err
	}
	return []line{
		{
			id: "b", what: "makespan of `fluxworker run` over a closed loop's, " + strconv.Itoa(slots) + " slots, " + delay + " a row", values: ratios(ours.makespan, bare.makespan), goal: goal{atMost, 0.99},
			seen:  fmt.Sprintf("%s s against %s s for %d rows", number(ours.makespan.median()), number(bare.makespan.median()), rows.count),
			limit: "the server's own time for each row",
		},
		{
			id: "b", what: "of that time slots stood empty, no row waiting for them", values: ours.empty, unit: "%", goal: goal{atMost, 1},
			seen:  fmt.Sprintf("%s %% with the closed loop", number(bare.empty.median())),
			limit: "rows that end together are more than wait; the last rows leave slots empty",
		},
		{
			id: "b", what: "of that time slots did no work, the way of a waiting row into them included", values: ours.idle, unit: "%",
			seen:  fmt.Sprintf("%s %% with the closed loop", number(bare.idle.median())),
			limit: "the stand-in, whose waiting request must wake up; a real engine goes on in the same iteration",
		},
	}, nil
}
