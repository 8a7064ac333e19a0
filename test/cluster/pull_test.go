package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"fluxworker/test/harness"
	"fluxworker/test/slurm"
)

// The tasks of an array that share a node and a model folder without the model: one of them pulls it, on a real cluster, and
// none gets in another's way.
func TestArrayPullsOnce(t *testing.T) {
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		const tasks, rows = 4, 40
		c := slurm.Start(t, slurm.Options{Nodes: 1})
		r := harness.NewRegistry(t, g)
		j := g.NewJob(t)
		j.WriteRows(rows)
		models := filepath.Join(t.TempDir(), "models")
		script := fmt.Sprintf(`#!/bin/bash
export SSL_CERT_FILE=%s
exec %s run --shard auto --pull missing --model %s --input prompts.jsonl --output results.jsonl \
  --ollama %s --ollama-models %s --device cpu --context 512 --batch-size 2`, r.Authority, j.Binary, r.Model("bigram"), g.Ollama, models)
		id := c.Sbatch(t, j.Dir, script, fmt.Sprintf("--array=0-%d", tasks-1), "--cpus-per-task=1")
		states := c.AwaitEnd(t, id)
		for task, state := range states {
			if state != "COMPLETED" {
				out, _ := os.ReadFile(filepath.Join(j.Dir, "slurm-"+task+".out"))
				t.Errorf("task %s is %s:\n%s", task, state, out)
			}
		}
		if manifests, weights := r.Fetched(); manifests != 1 || weights != 1 {
			t.Errorf("the manifest was fetched %d times and the weights %d times, want once for all tasks", manifests, weights)
		}
		check := c.Command(t, j.Dir, j.Binary, "merge", "--input", "prompts.jsonl", "--output", "results.jsonl")
		if out, err := check.CombinedOutput(); err != nil {
			t.Fatalf("merge: %v\n%s", err, out)
		}
		j.CheckRows(rows)
	})
}
