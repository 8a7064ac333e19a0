package cluster

import (
	"regexp"
	"strings"
	"testing"

	"fluxworker/test/await"
	"fluxworker/test/harness"
	"fluxworker/test/slurm"
)

// Every command that a page shows with its output works on a cluster. Each block stands for itself.
func TestPageCommandsOnACluster(t *testing.T) {
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		c := slurm.Start(t, slurm.Options{Nodes: 1, GPUs: 2, CPUs: 64, MemoryMB: 512_000})
		ran := 0
		harness.EachBlock(t, "console", 7, func(page, block string) {
			u := newClusterUser(t, c, g, scriptRows)
			u.hurry()
			if !strings.Contains(block, "$ sbatch") && !strings.Contains(block, "$ bash") { // it looks at what a job has done
				u.submit(single)
			}
			for _, m := range regexp.MustCompile(`(?m)^\$ (.*)$`).FindAllStringSubmatch(block, -1) {
				t.Log(page + ": " + m[1])
				await.Until(u.T, "an empty queue", func() bool { return u.sh(0, "squeue", "--noheader") == "" })
				u.sh(0, "bash", "-c", m[1])
				ran++
			}
			u.CheckRows(scriptRows)
		})
		if ran < 12 {
			t.Errorf("only %d commands found", ran)
		}
	})
}
