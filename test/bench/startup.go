package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"fluxworker/test/fakeollama"
)

// startUp is figure g: what a plan takes, and how long a server that is ready waits for the first row.
func startUp(ctx context.Context, b *bench) ([]line, error) {
	var version, plan, asked, first, proof, whole sample
	program := func(into *sample, args ...string) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			u, err := b.process(ctx, process{dir: b.scratch, program: b.fluxworker, args: args})
			*into = append(*into, millis(u.took()))
			return err
		}
	}
	start := func(ctx context.Context, _ int) error {
		dir, drop, err := b.folder("start-")
		if err != nil {
			return err
		}
		defer drop()
		r, err := b.run(ctx, job{input: rows{count: 1, bytes: shortRow, last: longAnswer}, slots: slots, more: b.ownServers(dir, "--lean")})
		if err != nil {
			return err
		}
		seen, err := askedRecords(dir)
		if err != nil {
			return err
		}
		first = append(first, millis(seen[0].FirstRequest.Sub(seen[0].Listening)))
		proof = append(proof, millis(seen[0].FirstRequest.Sub(seen[0].LastProof)))
		whole = append(whole, millis(seen[0].FirstRequest.Sub(r.began)))
		return nil
	}
	planned := []string{"plan", "--model", "llama3.2:3b", "--gpu", "A100-80GB"}
	err := repeat(ctx, b.size.of(1, 15, 15),
		program(&version, "version"),
		program(&plan, append(planned, "--ollama", filepath.Join(b.scratch, "no-ollama"))...),
		program(&asked, append(planned, "--ollama", b.standInAsOllama("--models", "llama3.2:3b"))...),
		start)
	if err != nil {
		return nil, err
	}
	return []line{
		{id: "g", what: "`fluxworker plan` where there is no Ollama", values: plan, unit: "ms", goal: goal{atMost, 50}, seen: "the model's numbers come from its YAML", limit: "the start of a process"},
		{id: "g", what: "that over `fluxworker version`", values: ratios(plan, version), seen: fmt.Sprintf("version takes %s ms", number(version.median())), limit: "reading the embedded models"},
		{id: "g", what: "`fluxworker plan` that asks Ollama, a stand-in here", values: asked, unit: "ms", goal: goal{atMost, 50}, seen: "a server is started for it, and ended", limit: "the guard, the namespaces, and the server's own start"},
		{id: "g", what: "from when the server listens to the first row's request", values: first, unit: "ms", goal: goal{atMost, 100}, seen: fmt.Sprintf("from the proof that it answers: %s ms; from the worker's start: %s ms", number(proof.median()), number(whole.median())), limit: "loading the model and a proof lie between"},
	}, nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// standInAsOllama returns the value of --ollama for stand-in servers.
func (b *bench) standInAsOllama(flags ...string) string {
	return strings.Join(append([]string{"'" + b.self + "'", standInCommand, "--max-life", "6h"}, flags...), " ")
}

// ownServers are arguments of a run that starts its servers itself. Each writes what it saw into the folder.
func (b *bench) ownServers(records string, flags ...string) []string {
	return []string{"--device", "cpu", "--ollama-models", records, "--ollama", b.standInAsOllama(append(flags, "--record", "'"+records+"'")...)}
}

// askedRecords are those of the servers that were asked rows.
func askedRecords(folder string) (asked []fakeollama.Record, err error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		r, err := fakeollama.ReadRecord(file)
		if err != nil {
			return nil, err
		}
		if r.Requests > 0 {
			asked = append(asked, r)
		}
	}
	if len(asked) == 0 {
		return nil, fmt.Errorf("none of %d servers was asked a row", len(files))
	}
	return asked, nil
}
