package slurm

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Groups holds the paths for reading the cgroups of a process: Membership is /proc/self/cgroup, Mount is
// /sys/fs/cgroup.
type Groups struct{ Membership, Mount string }

// ProcessGroups returns the paths for this process on Linux.
func ProcessGroups() Groups { return Groups{"/proc/self/cgroup", "/sys/fs/cgroup"} }

// unlimited is more than any node's memory: cgroup v1 reports "no limit" as the largest multiple of the page size.
const unlimited = 1 << 60

// memoryLimit returns the minimum of the memory limits of the process's cgroup and its ancestors in bytes, with the
// limit's file; 0 without a limit. A container may see only a part of the tree, so missing folders are ignored.
func (g Groups) memoryLimit() (bytes uint64, file string) {
	membership, err := os.ReadFile(g.Membership)
	if err != nil {
		return 0, "" // no cgroups on this system
	}
	for line := range strings.Lines(string(membership)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3) // "4:memory:/slurm/job_7", or "0::/slurm/job_7" for v2
		if len(f) != 3 {
			continue
		}
		root, name := "", ""
		switch {
		case slices.Contains(strings.Split(f[1], ","), "memory"):
			root, name = filepath.Join(g.Mount, "memory"), "memory.limit_in_bytes"
		case f[1] == "":
			root, name = g.Mount, "memory.max"
		default:
			continue
		}
		for dir := filepath.Clean("/" + f[2]); ; dir = filepath.Dir(dir) {
			path := filepath.Join(root, dir, name)
			if n := readLimit(path); n > 0 && (bytes == 0 || n < bytes) {
				bytes, file = n, path
			}
			if dir == "/" {
				break
			}
		}
	}
	return bytes, file
}

// readLimit returns the limit in a file in bytes. It returns 0 for "no limit" and for a missing file: the root of
// cgroup v2 has none.
func readLimit(path string) uint64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64) // "max" is not a number
	if err != nil || n >= unlimited {
		return 0
	}
	return n
}
