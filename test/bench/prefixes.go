package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// order is a workload of figure i. texts returns its prompts in the order of a file, and in the best order for a closed loop
// with a connection for each slot: no text is read twice, and no slot stands empty. All texts begin with the given salt, so that
// no text is in a slot from the measurement before.
type order struct {
	name           string
	texts          func(salt string, slots, questions int) (file, best []string)
	overBest       goal
	overClosedLoop goal
}

// textBytes is the length of a shared text, in bytes, which are tokens of the model here.
const textBytes = 640

// orders are the workloads of figure i.
func orders() []order {
	return []order{
		{"several questions about each text", func(salt string, slots, questions int) (file, best []string) {
			return inTurn(salt, 1, 2*slots, questions), inTurn(salt, slots, 2*slots, questions)
		}, goal{atMost, 1.15}, goal{atMost, 0.4}},
		{"the same, shuffled", func(salt string, slots, questions int) (file, best []string) {
			best = inTurn(salt, slots, 2*slots, questions)
			file = append(file, best...)
			rand.New(rand.NewPCG(1, 2)).Shuffle(len(file), func(i, j int) { file[i], file[j] = file[j], file[i] })
			return file, best
		}, goal{atMost, 1.15}, goal{}},
		{"few-shot prompts of several classes in turn", func(salt string, slots, questions int) (file, best []string) {
			return inTurn(salt, 2*slots, 2*slots, questions), inTurn(salt, slots, 2*slots, questions)
		}, goal{atMost, 1.15}, goal{}},
		{"one system message and short questions", func(salt string, slots, questions int) (file, best []string) {
			file = inTurn(salt, 1, 1, 2*slots*questions)
			return file, file
		}, goal{}, goal{atMost, 1.02}},
		{"nothing shared", func(salt string, slots, questions int) (file, best []string) {
			file = inTurn(salt, 1, slots*questions, 1)
			return file, file
		}, goal{}, goal{atMost, 1.02}},
	}
}

// inTurn returns prompts with so many questions about each text: so many texts at a time, one question about each of them in turn.
func inTurn(salt string, atATime, texts, questions int) []string {
	var prompts []string
	for first := 0; first < texts; first += atATime {
		for question := range questions {
			for text := first; text < min(first+atATime, texts); text++ {
				begin := fmt.Sprintf("%s text %d. ", salt, text)
				prompts = append(prompts, begin+strings.Repeat(filler, textBytes/len(filler)+1)[:textBytes-len(begin)]+fmt.Sprintf(" question %d u", question))
			}
		}
	}
	return prompts
}

// prefixes is figure i: the makespan where rows share the beginning of their prompts, over that of a closed loop in the order of
// the file, and in the best order there is. What is taken is a process's whole life, less that of one with a single row.
func prefixes(ctx context.Context, b *bench) ([]line, error) {
	var lines []line
	for _, slots := range []int{6, 16}[:b.size.of(1, 2, 2)] {
		measured, err := b.onEachEngine(ctx, slots, prefixContext, func(ctx context.Context, e *engine) ([]line, error) {
			var lines []line
			for _, o := range orders()[:b.size.of(1, 5, 5)] {
				b.say("i: %s, %d slots: %s", e.name, slots, o.name)
				l, err := b.ordered(ctx, e, slots, o)
				if err != nil {
					return lines, err
				}
				lines = append(lines, l...)
			}
			return lines, nil
		})
		lines = append(lines, measured...)
		if err != nil {
			return lines, err
		}
	}
	return lines, nil
}

// prefixContext is the context of a slot, in tokens: a text, a question and the answer.
const prefixContext = 768

// ordered measures one workload on one engine.
func (b *bench) ordered(ctx context.Context, e *engine, slots int, o order) ([]line, error) {
	settings := []string{"--context", strconv.Itoa(prefixContext)}
	ours := func(ctx context.Context, r rows) (usage, error) {
		ran, err := b.run(ctx, job{input: r, url: e.url, slots: slots, more: settings})
		return ran.usage, err
	}
	bare := func(ctx context.Context, r rows) (usage, error) { return b.loop(ctx, e.url, slots, r, settings...) }
	one := rows{count: 1, bytes: shortRow, last: 'u'}
	if _, err := ours(ctx, one); err != nil { // loads the model
		return nil, err
	}
	questions, count, salt := b.size.of(2, 6, 6), 0, 0
	var grouped, plain, best sample
	side := func(into *sample, client func(context.Context, rows) (usage, error), pick func(file, best []string) []string) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			salt++
			texts := rowsOf(pick(o.texts(fmt.Sprintf("%d-%d", salt, slots), slots, questions)))
			took, err := beyond(ctx, client, one, texts)
			count = texts.count
			*into = append(*into, took)
			return err
		}
	}
	asFile := func(file, _ []string) []string { return file }
	asBest := func(_, best []string) []string { return best }
	if err := repeat(ctx, b.size.of(1, 2, 5), side(&grouped, ours, asFile), side(&plain, bare, asFile), side(&best, bare, asBest)); err != nil {
		return nil, err
	}
	what := fmt.Sprintf("makespan of `fluxworker run`, %s, %s, %d slots, over a closed loop's ", o.name, e.name, slots)
	seen := fmt.Sprintf("%s s, %s s in the order of the file, %s s in the best order, for %d rows", number(grouped.median()), number(plain.median()), number(best.median()), count)
	limit := "a slot reads the question and the end of the text anew"
	return []line{
		{id: "i", what: what + "in the order of the file", values: ratios(grouped, plain), goal: o.overClosedLoop, seen: seen, limit: limit},
		{id: "i", what: what + "in the best order", values: ratios(grouped, best), goal: o.overBest, seen: seen, limit: limit},
	}, nil
}
