package harness

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"fluxworker/test/await"
)

// HitInTheMiddle runs the job, sends a signal to a process of it in the middle of the rows, and checks the exit code and that
// nothing is left.
func (j *Job) HitInTheMiddle(signal syscall.Signal, victim func() int, want int, more ...string) {
	j.T.Helper()
	before := j.Answered()
	cmd, rest := j.StartFed(j.rows/2, more...)
	j.AwaitAnswers(before + 10)
	syscall.Kill(victim(), signal)
	rest()
	j.Wait(cmd, want)
	if left := j.Processes(); len(left) > 0 {
		j.T.Errorf("processes left: %v", left)
	}
	if left, _ := filepath.Glob(j.Path("tmp/*")); len(left) > 0 {
		j.T.Errorf("scratch left: %v", left)
	}
}

// RunnerPID returns the process that holds the model.
func (j *Job) RunnerPID(g Generation) int {
	j.T.Helper()
	if g.Name == "old" {
		return j.Process(" runner ", "--model")
	}
	return j.Process("bin/llama-server", "--model")
}

// GuardPID returns the process that holds the server for the worker.
func (j *Job) GuardPID() int {
	j.T.Helper()
	return j.Process(" guard ", " serve")
}

// ServerPID returns the process that the guard started.
func (j *Job) ServerPID() (server int) {
	j.T.Helper()
	await.Until(j.T, "the guard's child", func() bool {
		guard := strconv.Itoa(j.GuardPID())
		for _, p := range j.Processes() {
			pid, _, _ := strings.Cut(p, " ")
			stat, _ := os.ReadFile("/proc/" + pid + "/stat")
			if _, after, ok := strings.Cut(string(stat), ") "); ok && strings.Fields(after)[1] == guard {
				server, _ = strconv.Atoi(pid)
				return true
			}
		}
		return false
	})
	return server
}
