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

// clockTick is the unit of CPU times in /proc: USER_HZ, which is 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// exiting is the kernel's PF_EXITING, the flag of a process that ends.
const exiting = 4

// Consumption is what a server's processes have taken from the machine.
type Consumption struct {
	CPU time.Duration // of all processes that live, since each began
	// Memory is what the processes hold of the machine's memory and the kernel cannot take back, in bytes. The pages of files
	// that they have mapped, such as a model's weights, are no part of it.
	Memory int64
	Procs  []int // ids of processes that live, ascending; the guard's first child and what is below it
}

// Consumption reads it from /proc.
func (s *Server) Consumption() (Consumption, error) {
	var u Consumption
	for _, pid := range descendants(s.cmd.Process.Pid) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it ended meanwhile
		}
		// Behind "pid (name)": the name may hold blanks and brackets.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 22 {
			continue
		}
		number := func(i int) int64 { n, _ := strconv.ParseInt(string(fields[i]), 10, 64); return n }
		// One that is on its way out has closed its connections, or is about to; to give memory back may take seconds.
		if state := fields[0][0]; state == 'Z' || state == 'X' || number(6)&exiting != 0 {
			continue
		}
		u.CPU += time.Duration(number(11)+number(12)) * clockTick // utime and stime
		u.Memory += anonymous(pid)
		u.Procs = append(u.Procs, pid)
	}
	if len(u.Procs) == 0 {
		return u, errors.New("the server has no process any more")
	}
	slices.Sort(u.Procs)
	return u, nil
}

// anonymous is the resident memory of a process less that of files, in bytes; 0 where it is gone. It is RssAnon of
// /proc/PID/status, which kernels before 4.5 do not have.
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
