package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fluxworker/test/gpu/synthetic"
	"fluxworker/test/slowfs"
)

// slowRequest is the time that the slow file system of figure l takes for a request of 128 KiB: one request after the other reads
// 33 MB/s, about what users of SGLang reported for page faults on Lustre (its issue 37806).
const slowRequest = 4 * time.Millisecond

// staging is figure l: what a slow file system with the model costs a run of one row, without staging over with it. The cost is the
// whole life of the run, less that of a run with the model on the local file system. Each run has its own mount of the slow file
// system, so that the page cache has nothing of the model.
func staging(ctx context.Context, b *bench) ([]line, error) {
	folder := engineFolder()
	lower, drop, err := b.folder("model-")
	if err != nil {
		return nil, err
	}
	defer drop()
	shape, err := synthetic.ByName("8b")
	if err != nil {
		return nil, err
	}
	model := filepath.Join(lower, "model.gguf")
	if err := shape.Reduced(b.size.of(1, 2, 8), 512).Write(model); err != nil {
		return nil, err
	}
	info, err := os.Stat(model)
	if err != nil {
		return nil, err
	}
	var lines []line
	for _, g := range []struct{ folder, name string }{{"o", "Ollama v0.24.0"}, {"n", "Ollama v0.34.3"}} {
		ollama, err := filepath.Abs(filepath.Join(folder, g.folder, "bin", "ollama"))
		if err != nil {
			return lines, err
		}
		var never, auto, local sample
		side := func(into *sample, model, stage string) func(context.Context, int) error {
			return func(ctx context.Context, _ int) error {
				took, err := b.fromSlow(ctx, lower, ollama, model, stage)
				*into = append(*into, took.Seconds())
				return err
			}
		}
		if err := repeat(ctx, b.size.of(1, 3, 3), side(&never, "", "never"), side(&auto, "", "auto"), side(&local, model, "never")); err != nil {
			return lines, fmt.Errorf("%s: %w", g.name, err)
		}
		lines = append(lines, line{
			id: "l", what: fmt.Sprintf("what a slow file system costs a run of one row, `--stage never` over `auto`, %s, on the CPU, a model of %s MB, %s for each 128 KiB", g.name, number(float64(info.Size())/1e6), slowRequest),
			values: ratios(less(never, local), less(auto, local)),
			seen:   fmt.Sprintf("the whole run: %s s against %s s; with a local model %s s", number(never.median()), number(auto.median()), number(local.median())),
			limit:  "the file system's own process, which shares the cores with the server",
		})
	}
	return lines, nil
}

// less returns the differences of the measurements of the same turns.
func less(a, b sample) sample {
	d := make(sample, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

// fromSlow returns the time of a run whose model is the file model; "" is the file in the folder lower, mounted slowly.
func (b *bench) fromSlow(ctx context.Context, lower, ollama, model, stage string) (took time.Duration, err error) {
	dir, drop, err := b.folder("slow-")
	if err != nil {
		return 0, err
	}
	defer drop()
	slow, unmount, err := slowfs.New(lower, dir, slowfs.Options{Latency: slowRequest})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, unmount()) }()
	if model == "" {
		model = filepath.Join(slow.Dir, "model.gguf")
	}
	r, err := b.run(ctx, job{
		input: rows{count: 1, bytes: shortRow, last: longAnswer}, slots: 1,
		more: []string{"--gguf", model, "--stage", stage, "--ollama", ollama, "--device", "cpu", "--context", "1024", "--max-tokens", "1", "--deadline", "none"},
		env:  []string{"SLURM_JOB_ID=1", "SLURM_CPUS_PER_TASK=1"}, // one thread: the file system needs the other core
	})
	return r.took(), err
}
