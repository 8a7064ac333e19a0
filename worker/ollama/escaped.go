package ollama

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// escaped is a process of a server that is in another process group than the guard, such as the squashfuse_ll of an Apptainer
// that mounts an image file without setuid. If the guard of a server without namespaces is killed, the kill of its process
// group misses this process, and nothing tells any more that the process belongs to the server.
type escaped struct {
	pid     int
	started string // in clock ticks since boot: another process may get the same id later
}

// escapedFrom lists the processes below a guard that are not in its process group.
func escapedFrom(guard int) []escaped {
	var list []escaped
	for _, pid := range descendants(guard) {
		if group, started := groupAndStart(pid); started != "" && group != strconv.Itoa(guard) {
			list = append(list, escaped{pid, started})
		}
	}
	return list
}

// kill kills the process if it still exists.
func (e escaped) kill() {
	if _, started := groupAndStart(e.pid); started == e.started {
		syscall.Kill(e.pid, syscall.SIGKILL)
	}
}

// groupAndStart returns the process group and the start time of a process; "" if the process is gone.
func groupAndStart(pid int) (group, started string) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", ""
	}
	// The fields follow "pid (name)"; the name may hold blanks and brackets.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", ""
	}
	return fields[2], fields[19]
}
