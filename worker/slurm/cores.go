package slurm

import (
	"os"
	"path/filepath"
)

// NodeCPUs is where Linux describes the node's CPUs.
const NodeCPUs = "/sys/devices/system/cpu"

// Cores counts the physical cores of the node, whatever the job may use of them; 0 where dir, which is NodeCPUs or a
// test's, does not tell.
func Cores(dir string) int {
	files, _ := filepath.Glob(filepath.Join(dir, "cpu[0-9]*", "topology", "thread_siblings_list")) // the pattern is right
	siblings := make(map[string]bool)
	for _, f := range files {
		if list, err := os.ReadFile(f); err == nil { // a CPU that is off has no list
			siblings[string(list)] = true
		}
	}
	return len(siblings)
}
