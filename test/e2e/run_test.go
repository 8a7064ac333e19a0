package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// modelLoad is the line with which a server of either generation starts the process that holds the model.
var modelLoad = regexp.MustCompile(`msg="starting (?:runner|llama-server)" cmd=".* --model `)

// Every row gets the answer to its own prompt, exactly once, and the server has as much to do as was planned.
func TestAnswers(t *testing.T) {
	eachEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g)
		j.useFront(g)
		j.writeRows(g.rows)
		j.run(0)
		j.checkRows(g.rows)

		var manifest struct {
			Plan struct {
				Slots    int
				InFlight int `json:"in_flight"`
			}
			Server struct {
				Version string `json:"ollama_version"`
				Digest  string `json:"model_digest"`
			}
		}
		j.read("results.run/manifest.json", &manifest)
		if manifest.Plan.Slots != 8 || manifest.Plan.InFlight <= 8 || manifest.Server.Version == "" || len(manifest.Server.Digest) != 64 {
			t.Errorf("manifest: %+v", manifest)
		}
		if seen := j.seen()[0].Peak; seen != manifest.Plan.InFlight {
			t.Errorf("the server saw %d requests in flight at most, planned were %d", seen, manifest.Plan.InFlight)
		}
		// A model that loads twice has been asked with other runner options than it was loaded with.
		log, err := os.ReadFile(j.path("results.run/server.log"))
		if loads := modelLoad.FindAll(log, -1); err != nil || len(loads) != 1 {
			t.Errorf("the model was loaded %d times, want once (%v)", len(loads), err)
		}
		var summary struct {
			OK       int  `json:"rows_ok"`
			Complete bool `json:"complete"`
			Out      int  `json:"tokens_out"`
		}
		j.read("results.run/summary.json", &summary)
		if summary.OK != g.rows || !summary.Complete || summary.Out == 0 {
			t.Errorf("summary: %+v", summary)
		}
	})
}

func (j *job) read(name string, into any) {
	j.t.Helper()
	data, err := os.ReadFile(j.path(name))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		j.t.Fatalf("read %s: %v", name, err)
	}
}

// What a row may ask for arrives, and what is refused is refused with a reason; nothing is cut silently.
func TestRequests(t *testing.T) {
	eachEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g)
		long := strings.Repeat("x", 600)
		j.write(
			`{"custom_id":"short","prompt":"x 3","max_tokens":4}`,
			`{"custom_id":"stop","prompt":"x 3","stop":"8"}`,
			`{"custom_id":"completion","url":"/v1/completions","body":{"prompt":"x w"}}`,
			`{"custom_id":"turns","url":"/v1/chat/completions","body":{"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"x 1"},{"role":"assistant","content":"y"},{"role":"user","content":"x y"}]}}`,
			`{"custom_id":"long","prompt":"`+long+`3"}`,
			// 490 and the begin token leave 21 of 512 tokens for an answer of 37.
			`{"custom_id":"cut","prompt":"`+long[:489]+`?"}`,
			`{"custom_id":"hot","prompt":"x 3","temperature":2,"seed":1}`,
			// The tiny model has no vision. Asked all the same, the old generation would answer from the text alone.
			`{"custom_id":"image","messages":[{"role":"user","content":[{"type":"text","text":"x 3"},{"type":"image_url","image_url":{"url":"data:image/png;base64,`+pixel+`"}}]}]}`,
		)
		j.run(3)
		results, failed := j.lines("results.jsonl"), j.lines("results-errors.jsonl")
		for id, want := range map[string]struct{ text, reason string }{
			"short": {"4567", "length"}, "stop": {"4567", "stop"}, "turns": {"z", "stop"}, "hot": {"456789abcdefghijklmnopqrstuvwxyz", "stop"},
		} {
			l, ok := results[id]
			if !ok {
				t.Errorf("%s has no answer", id)
				continue
			}
			if c := l.Response.Body.Choices[0]; c.Message.Content != want.text || c.FinishReason != want.reason {
				t.Errorf("%s: %q (%s), want %q (%s)", id, c.Message.Content, c.FinishReason, want.text, want.reason)
			}
		}
		if u := results["short"].Response.Body.Usage; u.PromptTokens != 4 || u.CompletionTokens != 4 {
			t.Errorf("usage of short: %+v, want 4 and 4", u)
		}
		if c := results["completion"].Response.Body.Choices[0]; c.Text != "xyz" {
			t.Errorf("completion: %+v, want xyz", c)
		}
		for _, id := range []string{"long", "cut"} {
			if l := failed[id]; l.Response == nil || l.Response.StatusCode != 400 || l.Response.Body.Error.Code != "context_length_exceeded" {
				t.Errorf("%s: %+v, want the error context_length_exceeded", id, l.Response)
			}
		}
		if l := failed["image"]; l.Response == nil || l.Response.StatusCode != 400 || !strings.Contains(l.Response.Body.Error.Message, "has no vision") {
			t.Errorf("image: %+v, want an error line that names the model's blindness", l.Response)
		}
		if len(results)+len(failed) != 8 {
			t.Errorf("%d answers and %d errors, want 8 lines", len(results), len(failed))
		}
	})
}

// pixel is the smallest PNG there is.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// A context beyond the model's own would be clamped by the server alone, and an answer cut there would look whole.
func TestContextIsTheModels(t *testing.T) {
	const most = 8192 // the tiny model's
	eachEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g)
		j.write(`{"custom_id":"cut","prompt":"` + strings.Repeat("x", most-20) + `?"}`)
		j.run(3, "--context", "32768", "--batch-size", "1")
		if l := j.lines("results-errors.jsonl")["cut"]; l.Response == nil || l.Response.Body.Error.Code != "context_length_exceeded" {
			t.Errorf("%+v, want the error context_length_exceeded", l.Response)
		}
		var manifest struct{ Plan struct{ Context int } }
		j.read("results.run/manifest.json", &manifest)
		if manifest.Plan.Context != most {
			t.Errorf("context %d, want the model's %d", manifest.Plan.Context, most)
		}
	})
}

// Killed in the middle, the same command goes on: no row is lost or answered twice, and no process is left.
func TestKilledAndStartedAgain(t *testing.T) {
	const rows = 600
	eachEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g)
		j.writeRows(rows)
		for _, at := range []int{50, 250} {
			cmd := j.start()
			j.await("answers", func() bool { return j.answered() >= at })
			cmd.Process.Kill()
			j.wait(cmd, -1)
			j.await("the server's end", func() bool { return len(j.processes()) == 0 })
		}
		j.run(0)
		j.checkRows(rows)
		// Nothing is left to do: no server is needed, and a command that cannot start one proves it.
		j.run(0, "--ollama", "/nonexistent/ollama")
		j.checkRows(rows)
	})
}

// The first signal drains: what is in flight is finished, the rest is left for the next run.
func TestTerminated(t *testing.T) {
	const rows = 600
	eachEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g)
		j.writeRows(rows)
		cmd := j.start()
		j.await("answers", func() bool { return j.answered() >= 50 })
		cmd.Process.Signal(syscall.SIGTERM)
		j.wait(cmd, 75)
		if left := j.processes(); len(left) > 0 {
			t.Errorf("processes left: %v", left)
		}
		n, first := j.answered(), j.summary()
		if n >= rows {
			t.Fatalf("all %d rows were answered before the signal came", n)
		}
		if first.OK != n || first.Total.OK != n {
			t.Errorf("the summary %+v does not count the %d lines", first, n)
		}
		j.run(0)
		j.checkRows(rows)
		j.checkSummaries(first, rows)
	})
}

// A server, runner or guard that is killed, stopped or told to exit is not the rows' fault: it is started again. No process
// is left, whether or not the server has namespaces of its own; without, its guard and its process group hold it.
func TestServerHit(t *testing.T) {
	const rows = 200 // enough that some are left when the signal comes, on a loaded machine, too
	server := func(j *job, g generation) int { return j.serverPID(g) }
	runner := func(j *job, g generation) int { return j.runnerPID(g) }
	tests := []struct {
		name   string
		signal syscall.Signal
		victim func(*job, generation) int
		told   string // a pattern
	}{
		{"kill server", syscall.SIGKILL, server, "signal: killed"},
		{"kill runner", syscall.SIGKILL, runner, "its runner died"},
		{"kill guard", syscall.SIGKILL, func(j *job, g generation) int { return j.process("guard", g.ollama) }, "signal: killed"},
		{"stop server", syscall.SIGSTOP, server, "it hangs: no answer and no work for"},
		{"stop runner", syscall.SIGSTOP, runner, "it hangs: no answer and no work for"},
		{"exit server", syscall.SIGTERM, server, "exited with code 0"},
		{"exit runner", syscall.SIGTERM, runner, "its runner died|it hangs"}, // the new one's drops its rows and stays
	}
	eachEngine(t, func(t *testing.T, g generation) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				eachIsolation(t, func(t *testing.T, isolate string) {
					j := newJob(t, g, "--isolate", isolate, "--stall-timeout", "2s", "--max-restarts", "20")
					j.writeRows(rows)
					j.hitInTheMiddle(tt.signal, func(j *job) int { return tt.victim(j, g) }, 0)
					j.checkRows(rows)
					if n := len(j.lines("results-errors.jsonl")); n > 0 {
						t.Errorf("%d rows were blamed", n)
					}
					if !regexp.MustCompile(tt.told).MatchString(j.stderr.String()) {
						t.Errorf("the log does not say %q", tt.told)
					}
				})
			})
		}
	})
}

// Where a server may not be started again the run says so, with the end of the server's log, and leaves its rows undone.
func TestServerGivenUp(t *testing.T) {
	const rows = 400
	eachEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g)
		j.writeRows(rows)
		j.hitInTheMiddle(syscall.SIGKILL, func(j *job) int { return j.serverPID(g) }, 82, "--max-restarts", "0")
		if n := len(j.lines("results-errors.jsonl")); n > 0 {
			t.Errorf("%d rows were blamed for the server's death", n)
		}
		_, end, told := strings.Cut(j.stderr.String(), "the end of its log (all of it: results.run/server.log)")
		if !told || !strings.HasPrefix(end, ":\n    ") || !strings.Contains(j.stderr.String(), "--max-restarts") {
			t.Error("the message has neither the end of the server's log nor the limit")
		}
		j.run(0)
		j.checkRows(rows)
	})
}

// hitInTheMiddle runs the job and signals a process of it once some more rows are answered.
func (j *job) hitInTheMiddle(signal syscall.Signal, victim func(*job) int, want int, more ...string) {
	j.t.Helper()
	before := j.answered()
	cmd := j.start(more...)
	j.await("answers", func() bool { return j.answered() >= before+20 })
	syscall.Kill(victim(j), signal)
	j.wait(cmd, want)
	if left := j.processes(); len(left) > 0 {
		j.t.Errorf("processes left: %v", left)
	}
	if left, _ := filepath.Glob(j.path("tmp/*")); len(left) > 0 {
		j.t.Errorf("scratch left: %v", left)
	}
}

// runnerPID is the process that holds the model.
func (j *job) runnerPID(g generation) int {
	j.t.Helper()
	if g.name == "old" {
		return j.process(" runner ", "--model")
	}
	return j.process("bin/llama-server", "--model")
}

// serverPID is the process that the guard started.
func (j *job) serverPID(g generation) int {
	j.t.Helper()
	guard := j.process("guard", g.ollama)
	for _, p := range j.processes() {
		pid, _ := strconv.Atoi(strings.Fields(p)[0])
		stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if _, after, ok := strings.Cut(string(stat), ") "); ok && strings.Fields(after)[1] == strconv.Itoa(guard) {
			return pid
		}
	}
	j.t.Fatalf("the guard %d has no child among %v", guard, j.processes())
	return 0
}

// A machine without a GPU must not quietly spend a job's hours on the CPU, and a missing model is named.
func TestRefusals(t *testing.T) {
	eachEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g)
		j.writeRows(3)
		j.run(80, "--device", "auto")
		j.run(85, "--model", "nosuchmodel")
		j.run(0)
		j.checkRows(3)
	})
}
