package main

import (
	"context"
	"fmt"
	"os"
)

// embedder is the test model that makes vectors.
const embedder = "tiny-bert"

// shortText is the length of a text, in bytes. The model has a token for each character, so it has as many tokens as a sentence of
// 130 bytes has for a common embedding model.
const shortText = 32

// oneText is a request for the vector of one text, as fluxworker sends it for a row that shares its request with no other row.
const oneText = `{"model":"` + embedder + `","input":["text"],"truncate":false,"options":{"num_ctx":512}}`

// embeddings is figure k: the rows per second of short texts whose rows share requests, over those of a closed loop that asks
// for one text after the other, with as many requests in flight as fluxworker has. A process with a single row is taken off.
func embeddings(ctx context.Context, b *bench) ([]line, error) {
	template := b.path("request-embed.json")
	if err := os.WriteFile(template, []byte(oneText), 0o600); err != nil {
		return nil, err
	}
	return b.onEachEngine(ctx, engineSlots, 512, func(ctx context.Context, e *engine) ([]line, error) {
		many := rows{count: b.size.of(16, 600, 2400), bytes: shortText, last: longAnswer, embed: true}
		one := many
		one.count = 1
		connections := 0
		together := func(ctx context.Context, r rows) (usage, error) {
			ran, err := b.run(ctx, job{input: r, url: e.url, slots: 1, more: []string{"--model", embedder, "--context", "512"}})
			connections = ran.InFlight
			return ran.usage, err
		}
		alone := func(ctx context.Context, r rows) (usage, error) {
			return b.loopOver(ctx, e.url+"/api/embed", connections, r, template)
		}
		if _, err := together(ctx, one); err != nil { // loads the model
			return nil, err
		}
		var rates [2]sample
		side := func(n int, client func(context.Context, rows) (usage, error)) func(context.Context, int) error {
			return func(ctx context.Context, _ int) error {
				took, err := beyond(ctx, client, one, many)
				rates[n] = append(rates[n], float64(many.count-one.count)/took)
				return err
			}
		}
		if err := repeat(ctx, b.size.of(1, 5, 9), side(0, together), side(1, alone)); err != nil {
			return nil, err
		}
		least := 2.5
		if e.isNew {
			least = 1.7
		}
		return []line{{
			id: "k", what: fmt.Sprintf("embeddings of %d B: rows/s of rows that share requests over those of rows that are asked alone, %s", shortText, e.name),
			values: ratios(rates[0], rates[1]), goal: goal{atLeast, least},
			seen:  fmt.Sprintf("%s against %s rows/s with %d requests in flight", number(rates[0].median()), number(rates[1].median()), connections),
			limit: "the engine, which has the same cores; Ollama asks its runner for one text after the other",
		}}, nil
	})
}

// beyond returns how much longer a client needs for many rows than for one, in seconds.
func beyond(ctx context.Context, client func(context.Context, rows) (usage, error), one, many rows) (float64, error) {
	least, err := client(ctx, one)
	if err != nil {
		return 0, err
	}
	most, err := client(ctx, many)
	return (most.took() - least.took()).Seconds(), err
}
