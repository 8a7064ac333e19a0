package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/await"
	"fluxworker/test/build"
)

// Job is one folder in which fluxworker runs, with an input whose right answers are known.
type Job struct {
	T      *testing.T
	Dir    string
	Binary string   // the program; it has the NVML probe in it
	Args   []string // of each start
	Env    []string // beside the tests' own
	Stderr Said     // standard error of all starts

	user  *syscall.Credential // that it runs as; nil is the tests' own
	mark  string              // in the environment of the worker and of every process below it
	rows  int                 // of the input, where WriteRows made it
	stdin *os.File            // of the next start; nil is nothing
}

// New makes a job with these flags, which still has to be given a server. When the test ends, no process of the job may be
// left.
func New(t *testing.T, args ...string) *Job {
	t.Helper()
	return NewOf(t, build.UnderTest(t), args...)
}

// NewOf is New for tests that build the program themselves.
func NewOf(t *testing.T, binary string, args ...string) *Job {
	t.Helper()
	j := &Job{T: t, Binary: binary, Dir: t.TempDir(), mark: fmt.Sprintf("FLUXTEST_MARK=%s-%d", t.Name(), time.Now().UnixNano())}
	j.Args = append([]string{"run", "--model", "bigram", "--input", "prompts.jsonl", "--output", "results.jsonl",
		"--device", "cpu", "--context", "512", "--batch-size", "8"}, args...)
	t.Cleanup(func() {
		if left := j.Processes(); len(left) > 0 {
			t.Errorf("processes left behind: %v", left)
		}
		if t.Failed() {
			t.Logf("standard error:\n%s", j.Stderr.String())
		}
	})
	return j
}

// Path returns the path of a file in the job's folder.
func (j *Job) Path(name string) string { return filepath.Join(j.Dir, name) }

// Write makes the input of these rows.
func (j *Job) Write(rows ...string) {
	j.T.Helper()
	if err := os.WriteFile(j.Path("prompts.jsonl"), []byte(strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
		j.T.Fatal(err)
	}
}

// WriteRows makes the input of n rows, called row-0 and so on, whose prompts are those of PromptOf.
func (j *Job) WriteRows(n int) {
	j.T.Helper()
	j.rows = n
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"custom_id":"row-%d","method":"POST","url":"/v1/chat/completions","body":{"messages":[{"role":"user","content":%q}]}}`,
			i, PromptOf(i))
	}
	j.Write(rows...)
}

// PromptOf returns a prompt; the prompts of successive numbers end in each letter and digit in turn.
func PromptOf(i int) string {
	const ends = "0123456789abcdefghijklmnopqrstuvwxyz?"
	return fmt.Sprintf("row %d ends in %c", i, ends[i%len(ends)])
}

// AnswerTo returns the right answer to a prompt: the test models go on from the prompt's last character to z.
func AnswerTo(prompt string) string {
	const all = "0123456789abcdefghijklmnopqrstuvwxyz"
	return all[strings.IndexByte(all, prompt[len(prompt)-1])+1:] // -1 for any other character: all of it
}

// Start runs the worker with the job's flags and these.
func (j *Job) Start(more ...string) *exec.Cmd {
	j.T.Helper()
	cmd := exec.Command(j.Binary, append(j.Args[:len(j.Args):len(j.Args)], more...)...)
	cmd.Dir = j.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: j.user, Pdeathsig: syscall.SIGKILL} // a test program that is killed leaves nothing
	cmd.Stderr = &j.Stderr
	if j.stdin != nil {
		cmd.Stdin = j.stdin
	}
	if err := os.MkdirAll(j.Path("tmp"), 0o700); err != nil {
		j.T.Fatal(err)
	}
	cmd.Env = append(append(os.Environ(), j.mark, "TMPDIR="+j.Path("tmp")), j.Env...)
	if err := cmd.Start(); err != nil {
		j.T.Fatal(err)
	}
	return cmd
}

// Run runs the worker to its end and checks its exit code.
func (j *Job) Run(want int, more ...string) {
	j.T.Helper()
	j.Wait(j.Start(more...), want)
}

// Wait waits for the worker's end and checks its exit code; -1 is a signal. A worker that never ends is killed.
func (j *Job) Wait(cmd *exec.Cmd, want int) {
	j.T.Helper()
	timer := time.AfterFunc(await.Patience+time.Duration(j.rows)*10*time.Millisecond, func() { cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		j.T.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		j.T.Fatalf("exit code %d, want %d", got, want)
	}
}

// Kill kills the worker and waits until nothing of the job runs any more.
func (j *Job) Kill(cmd *exec.Cmd) {
	j.T.Helper()
	cmd.Process.Kill()
	j.Wait(cmd, -1)
	j.AwaitGone()
}

// AwaitGone waits until nothing of the job runs any more.
func (j *Job) AwaitGone() {
	j.T.Helper()
	await.Until(j.T, "the end of every process of the job", func() bool { return len(j.Processes()) == 0 })
}

// AwaitAnswers waits until the results have n lines.
func (j *Job) AwaitAnswers(n int) {
	j.T.Helper()
	await.Until(j.T, fmt.Sprintf("%d answers", n), func() bool { return j.Answered() >= n })
}

// Processes lists every process below this job, wherever it moved to: its id and its command line.
func (j *Job) Processes() []string {
	var found []string
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		env, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(env), j.mark) {
			continue
		}
		dir := filepath.Dir(path)
		argv, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if len(argv) > 0 { // a zombie's is empty
			found = append(found, filepath.Base(dir)+" "+strings.ReplaceAll(string(argv), "\x00", " "))
		}
	}
	return found
}

// Process waits until exactly one process of the job has all the words in its command line, and returns its id.
func (j *Job) Process(words ...string) (pid int) {
	j.T.Helper()
	await.Until(j.T, fmt.Sprintf("one process with %q", words), func() bool {
		found := 0
		for _, p := range j.Processes() {
			matches := true
			for _, w := range words {
				matches = matches && strings.Contains(p, w)
			}
			if matches {
				pid, _ = strconv.Atoi(strings.Fields(p)[0])
				found++
			}
		}
		return found == 1
	})
	return pid
}
