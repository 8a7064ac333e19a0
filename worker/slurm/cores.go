package slurm

import (
	"os"
	"path/filepath"
)

// NodeCPUs is Linux's folder about the CPUs of the node.
const NodeCPUs = "/sys/devices/system/cpu"

// Cores counts the physical cores of the node, independent of the job's share. dir is NodeCPUs, or a test's folder. The
// result is 0 if dir has no information.
func Cores(dir string) int {
	files, _ := filepath.Glob(filepath.Join(dir, "cpu[0-9]*", "topology", "thread_siblings_list")) // the pattern is valid
	siblings := make(map[string]bool)
	for _, f := range files {
		if list, err := os.ReadFile(f); err == nil { // an offline CPU has no list
			siblings[string(list)] = true
		}
	}
	return len(siblings)
}
