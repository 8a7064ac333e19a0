package harness

import (
	"os"
	"os/exec"
	"strconv"
)

// passFile is read by the job's servers: by a stand-in, and by a front.
func (j *Job) passFile() string { return j.Path("pass") }

// Hold lets each of the job's servers that starts or runs answer n rows, and no more until Release is called. It needs a
// stand-in or a front. So a run is in the middle of its rows, and stays there.
func (j *Job) Hold(n int) {
	j.T.Helper()
	draft := j.passFile() + ".new"
	err := os.WriteFile(draft, []byte(strconv.Itoa(n)), 0o644)
	if err == nil {
		err = os.Rename(draft, j.passFile())
	}
	if err != nil {
		j.T.Fatal(err)
	}
}

// Release lets the servers answer all rows.
func (j *Job) Release() {
	j.T.Helper()
	if err := os.Remove(j.passFile()); err != nil {
		j.T.Fatal(err)
	}
}

// StartAndHold starts the worker and waits until n rows more are answered. Then the run stands still until Release.
func (j *Job) StartAndHold(n int, more ...string) *exec.Cmd {
	j.T.Helper()
	return j.StartAndHoldEach(1, n, more...)
}

// StartAndHoldEach is StartAndHold for a run with several servers, each of which answers n rows.
func (j *Job) StartAndHoldEach(servers, n int, more ...string) *exec.Cmd {
	j.T.Helper()
	before := j.Answered()
	j.Hold(n)
	cmd := j.Start(more...)
	j.AwaitAnswers(before + servers*n)
	return cmd
}
