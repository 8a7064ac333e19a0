package cluster

import (
	"regexp"
	"strings"
	"testing"

	"fluxworker/test/await"
	"fluxworker/test/harness"
	"fluxworker/test/slurm"
)

// Every command of the README's section about clusters does what it says, on one. Each block stands for itself.
func TestREADMECommandsOnACluster(t *testing.T) {
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		c := slurm.Start(t, slurm.Options{Nodes: 1, GPUs: 2, CPUs: 64, MemoryMB: 512_000})
		ran := 0
		for _, block := range harness.READMEBlocks(t, "console") {
			u := newClusterUser(t, c, g, scriptRows)
			u.hurry()
			if !strings.Contains(block, "$ sbatch") && !strings.Contains(block, "$ bash") { // it looks at what a job has done
				u.submit(single)
			}
			for _, m := range regexp.MustCompile(`(?m)^\$ (.*)$`).FindAllStringSubmatch(block, -1) {
				await.Until(u.T, "an empty queue", func() bool { return u.sh(0, "squeue", "--noheader") == "" })
				u.sh(0, "bash", "-c", m[1])
				ran++
			}
			u.CheckRows(scriptRows)
		}
		if ran < 9 {
			t.Errorf("only %d commands found", ran)
		}
	})
}
