package ollama

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"
)

// clockTick is the unit of CPU times in /proc: USER_HZ, which is 100 on every Linux that Go supports.
const clockTick = 10 * time.Millisecond

// exiting is the kernel's flag PF_EXITING of a process that is exiting.
const exiting = 4

// Consumption holds the CPU time and memory that a server's processes use.
type Consumption struct {
	CPU time.Duration // sum over the live processes, each since its start
	// Memory is the anonymous resident memory of the processes in bytes. Pages of mapped files, such as a model's
	// weights, do not count: the kernel can take them back.
	Memory int64
	Procs  []int // ids of the live processes, ascending; the guard's child and its descendants
}

// Consumption reads the use of CPU and memory from /proc. It returns an error if the server has no process left.
func (s *Server) Consumption() (Consumption, error) {
	var u Consumption
	for _, pid := range descendants(s.cmd.Process.Pid) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // the process ended meanwhile
		}
		// The fields follow "pid (name)"; the name may hold blanks and brackets.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 22 {
			continue
		}
		number := func(i int) int64 { n, _ := strconv.ParseInt(string(fields[i]), 10, 64); return n }
		// An exiting process has closed its connections, or closes them soon. It may need seconds to free its memory.
		if state := fields[0][0]; state == 'Z' || state == 'X' || number(6)&exiting != 0 {
			continue
		}
		u.CPU += time.Duration(number(11)+number(12)) * clockTick // utime and stime
		u.Memory += anonymous(pid)
		u.Procs = append(u.Procs, pid)
	}
	if len(u.Procs) == 0 {
		return u, errors.New("the server has no process left")
	}
	slices.Sort(u.Procs)
	return u, nil
}

// anonymous returns the resident memory of a process without mapped files, in bytes, and 0 if the process is gone. The
// value equals RssAnon of /proc/PID/status, which kernels before 4.5 do not have.
func anonymous(pid int) int64 {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, resident, files int64
	if _, err := fmt.Sscan(string(statm), &size, &resident, &files); err != nil {
		return 0
	}
	return (resident - files) * int64(os.Getpagesize())
}
