package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
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
)

// deadline bounds every wait of the suite. It is never what a passing test waits for.
const deadline = 2 * time.Minute

// job is one folder in which fluxworker runs, with an input whose right answers are known.
type job struct {
	t      *testing.T
	dir    string
	binary string
	args   []string
	env    []string             // beside the tests' own
	attr   *syscall.SysProcAttr // whom it runs as; nil is us
	mark   string               // in the environment of the worker and of everything below it
	rows   int                  // of the input, where writeRows made it
	stderr bytes.Buffer
}

func newJob(t *testing.T, g generation, args ...string) *job {
	t.Helper()
	j := &job{t: t, binary: binary, dir: t.TempDir(), mark: fmt.Sprintf("FLUXTEST_MARK=%s-%d", t.Name(), time.Now().UnixNano())}
	j.args = append([]string{"run", "--model", "bigram", "--input", "prompts.jsonl", "--output", "results.jsonl",
		"--ollama", "'" + g.ollama + "'", "--ollama-models", g.models, "--device", "cpu", "--context", "512", "--batch-size", "8",
	}, args...)
	// Whatever happens in the test, nothing may be left.
	t.Cleanup(func() {
		if left := j.processes(); len(left) > 0 {
			t.Errorf("processes left behind: %v", left)
		}
		if t.Failed() {
			t.Logf("standard error:\n%s", j.stderr.String())
		}
	})
	return j
}

// write puts rows into the input.
func (j *job) write(rows ...string) {
	j.t.Helper()
	if err := os.WriteFile(j.path("prompts.jsonl"), []byte(strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
		j.t.Fatal(err)
	}
}

// writeRows puts n rows into the input that end in each letter and digit in turn.
func (j *job) writeRows(n int) {
	j.rows = n
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"custom_id":"row-%d","method":"POST","url":"/v1/chat/completions","body":{"messages":[{"role":"user","content":%q}]}}`,
			i, promptOf(i))
	}
	j.write(rows...)
}

func promptOf(i int) string {
	const ends = "0123456789abcdefghijklmnopqrstuvwxyz?"
	return fmt.Sprintf("row %d ends in %c", i, ends[i%len(ends)])
}

// answerTo is the model's rule: it goes on from the prompt's last character to z.
func answerTo(prompt string) string {
	const all = "0123456789abcdefghijklmnopqrstuvwxyz"
	return all[strings.IndexByte(all, prompt[len(prompt)-1])+1:] // -1 for anything else: all of it
}

func (j *job) path(name string) string { return filepath.Join(j.dir, name) }

// start runs the worker.
func (j *job) start(more ...string) *exec.Cmd {
	j.t.Helper()
	cmd := exec.Command(j.binary, append(j.args, more...)...)
	cmd.Dir, cmd.SysProcAttr = j.dir, j.attr
	cmd.Stderr = &j.stderr
	if err := os.MkdirAll(j.path("tmp"), 0o700); err != nil {
		j.t.Fatal(err)
	}
	cmd.Env = append(append(os.Environ(), j.mark, "TMPDIR="+j.path("tmp")), j.env...)
	if err := cmd.Start(); err != nil {
		j.t.Fatal(err)
	}
	return cmd
}

// run runs the worker to its end and checks its exit code.
func (j *job) run(want int, more ...string) {
	j.t.Helper()
	j.wait(j.start(more...), want)
}

func (j *job) wait(cmd *exec.Cmd, want int) {
	j.t.Helper()
	// The rows of the long tests take their time: a hundredth of a second each is slow, even on a busy machine.
	timer := time.AfterFunc(deadline+time.Duration(j.rows)*10*time.Millisecond, func() { cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		j.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		j.t.Fatalf("exit code %d, want %d", got, want)
	}
}

// line is what the tests read of an output line.
type line struct {
	CustomID string `json:"custom_id"`
	Response *struct {
		StatusCode int `json:"status_code"`
		Body       struct {
			Choices []struct {
				Message      struct{ Content string }
				Text         string
				FinishReason string `json:"finish_reason"`
			}
			Usage struct {
				PromptTokens     int `json:"prompt_tokens"`
				CompletionTokens int `json:"completion_tokens"`
			}
			Error struct{ Code, Message string }
		}
	}
	Error *struct{ Code, Message string }
}

// lines reads an output file. Each custom_id may be there once.
func (j *job) lines(name string) map[string]line {
	j.t.Helper()
	f, err := os.Open(j.path(name))
	if err != nil {
		j.t.Fatal(err)
	}
	defer f.Close()
	all := make(map[string]line)
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			j.t.Fatalf("%s: line %q: %v", name, scanner.Text(), err)
		}
		if _, twice := all[l.CustomID]; twice {
			j.t.Errorf("%s: %s is there twice", name, l.CustomID)
		}
		all[l.CustomID] = l
	}
	if err := scanner.Err(); err != nil {
		j.t.Fatal(err)
	}
	return all
}

// checkRows demands that the first n rows of writeRows are answered, each by the rule for its own prompt, and no others.
func (j *job) checkRows(n int) {
	j.t.Helper()
	j.checkAnswers("results.jsonl", 0, n)
}

// checkAnswers demands that a file has the answers to rows from, and those up to the one before end, and no others.
func (j *job) checkAnswers(name string, from, end int) {
	j.t.Helper()
	got := j.lines(name)
	if len(got) != end-from {
		j.t.Errorf("%s: %d rows answered, want %d", name, len(got), end-from)
	}
	for i := from; i < end; i++ {
		l, ok := got[fmt.Sprintf("row-%d", i)]
		switch want := answerTo(promptOf(i)); {
		case !ok:
			j.t.Errorf("row-%d has no line", i)
		case l.Response.Body.Choices[0].Message.Content != want || l.Response.Body.Choices[0].FinishReason != "stop":
			j.t.Errorf("row-%d: %+v, want %q", i, l.Response.Body.Choices[0], want)
		}
	}
}

// answered counts the lines that are in the results now; the worker may be writing.
func (j *job) answered() int {
	data, _ := os.ReadFile(j.path("results.jsonl")) // not there yet: none
	return bytes.Count(data, []byte("\n"))
}

// processes lists everything that runs below this job, wherever it moved to.
func (j *job) processes() []string {
	var found []string
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		env, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(env), j.mark) {
			continue
		}
		dir := filepath.Dir(path)
		argv, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if len(argv) > 0 { // a zombie has none
			found = append(found, filepath.Base(dir)+" "+strings.ReplaceAll(string(argv), "\x00", " "))
		}
	}
	return found
}

// process finds the one process of the job whose command line has all the words.
func (j *job) process(words ...string) int {
	j.t.Helper()
	var pids []int
	for _, p := range j.processes() {
		matches := true
		for _, w := range words {
			matches = matches && strings.Contains(p, w)
		}
		if matches {
			pid, _ := strconv.Atoi(strings.Fields(p)[0])
			pids = append(pids, pid)
		}
	}
	if len(pids) != 1 {
		j.t.Fatalf("processes with %q: %v, want one of %v", words, pids, j.processes())
	}
	return pids[0]
}

// await polls for what another process does, which gives no event to wait for.
func (j *job) await(what string, done func() bool) {
	j.t.Helper()
	for end := time.Now().Add(deadline); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			j.t.Fatalf("waited %s for %s", deadline, what)
		}
	}
}
