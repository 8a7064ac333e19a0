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

// Consumption is what a server's processes have taken from the machine.
type Consumption struct {
	CPU   time.Duration // of all processes that live, since each began
	RSS   int64         // resident memory in bytes, shared pages counted in each process
	Procs []int         // process ids, ascending; the guard's first child and what is below it
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
		u.CPU += time.Duration(number(11)+number(12)) * clockTick // utime and stime
		u.RSS += number(21) * int64(os.Getpagesize())
		u.Procs = append(u.Procs, pid)
	}
	if len(u.Procs) == 0 {
		return u, errors.New("the server has no process any more")
	}
	slices.Sort(u.Procs)
	return u, nil
}
