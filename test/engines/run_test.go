package engines

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"fluxworker/test/harness"
)

// modelLoad is the line with which a server of either generation starts the process that holds the model.
var modelLoad = regexp.MustCompile(`msg="starting (?:runner|llama-server)" cmd=".* --model `)

// Every row gets the answer to its own prompt, exactly once, and the server has as much to do as was planned.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const rows = 500
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t)
		j.UseFront(g)
		j.WriteRows(rows)
		j.Run(0)
		j.CheckRows(rows)

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
		j.Read("results.run/manifest.json", &manifest)
		if manifest.Plan.Slots != 8 || manifest.Plan.InFlight <= 8 || manifest.Server.Version == "" || len(manifest.Server.Digest) != 64 {
			t.Errorf("manifest: %+v", manifest)
		}
		if seen := j.Seen()[0].Peak; seen != manifest.Plan.InFlight {
			t.Errorf("the server saw %d requests in flight at most, planned were %d", seen, manifest.Plan.InFlight)
		}
		// A model that loads twice has been asked with other runner options than it was loaded with.
		log, err := os.ReadFile(j.Path("results.run/server.log"))
		if loads := modelLoad.FindAll(log, -1); err != nil || len(loads) != 1 {
			t.Errorf("the model was loaded %d times, want once (%v)", len(loads), err)
		}
		var summary struct {
			OK       int  `json:"rows_ok"`
			Complete bool `json:"complete"`
			Out      int  `json:"tokens_out"`
		}
		j.Read("results.run/summary.json", &summary)
		if summary.OK != rows || !summary.Complete || summary.Out == 0 {
			t.Errorf("summary: %+v", summary)
		}
	})
}

// What a row may ask for arrives, and what is refused is refused with a reason; nothing is cut silently.
func TestRequests(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t)
		long := strings.Repeat("x", 600)
		j.Write(
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
		j.Run(3)
		results, failed := j.Lines("results.jsonl"), j.Lines("results-errors.jsonl")
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
	t.Parallel()
	const most = 8192 // the tiny model's
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t)
		j.Write(`{"custom_id":"cut","prompt":"` + strings.Repeat("x", most-20) + `?"}`)
		j.Run(3, "--context", "32768", "--batch-size", "1")
		if l := j.Lines("results-errors.jsonl")["cut"]; l.Response == nil || l.Response.Body.Error.Code != "context_length_exceeded" {
			t.Errorf("%+v, want the error context_length_exceeded", l.Response)
		}
		var manifest struct{ Plan struct{ Context int } }
		j.Read("results.run/manifest.json", &manifest)
		if manifest.Plan.Context != most {
			t.Errorf("context %d, want the model's %d", manifest.Plan.Context, most)
		}
	})
}

// Killed in the middle, the same command goes on: no row is lost or answered twice, and no process is left.
func TestKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	const rows = 200
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t)
		j.UseFront(g)
		j.WriteRows(rows)
		for _, n := range []int{50, 70} {
			j.Kill(j.StartAndHold(n))
		}
		j.Release()
		j.Run(0)
		j.CheckRows(rows)
		// Nothing is left to do: no server is needed, and a command that cannot start one proves it.
		j.Run(0, "--ollama", "/nonexistent/ollama")
		j.CheckRows(rows)
	})
}

// The first signal drains: what is in flight is finished, the rest is left for the next run.
func TestTerminated(t *testing.T) {
	t.Parallel()
	const rows, before = 200, 50
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t)
		j.UseFront(g)
		j.WriteRows(rows)
		cmd := j.StartAndHold(before)
		cmd.Process.Signal(syscall.SIGTERM)
		j.AwaitSaid("no new rows; rows in flight may finish")
		j.Release()
		j.Wait(cmd, 75)
		if left := j.Processes(); len(left) > 0 {
			t.Errorf("processes left: %v", left)
		}
		n, first := j.Answered(), j.Summary()
		if n <= before || n > before+20 {
			t.Errorf("%d rows are answered; want the %d before the signal and those in flight", n, before)
		}
		if first.OK != n || first.Total.OK != n {
			t.Errorf("the summary %+v does not count the %d lines", first, n)
		}
		j.Run(0)
		j.CheckRows(rows)
		j.CheckSummaries(first, rows)
	})
}

// A server, runner or guard that is killed, stopped or told to exit is not the rows' fault: it is started again. No process
// is left, whether or not the server has namespaces of its own; without, its guard and its process group hold it.
func TestServerHit(t *testing.T) {
	t.Parallel()
	server := func(j *harness.Job, _ harness.Generation) int { return j.ServerPID() }
	runner := (*harness.Job).RunnerPID
	tests := []struct {
		name   string
		signal syscall.Signal
		victim func(*harness.Job, harness.Generation) int
		told   string // a pattern
	}{
		{"kill server", syscall.SIGKILL, server, "signal: killed"},
		{"kill runner", syscall.SIGKILL, runner, "its runner died"},
		{"kill guard", syscall.SIGKILL, func(j *harness.Job, _ harness.Generation) int { return j.GuardPID() }, "signal: killed"},
		{"stop server", syscall.SIGSTOP, server, "it hangs: no answer and no work for"},
		{"stop runner", syscall.SIGSTOP, runner, "it hangs: no answer and no work for"},
		{"exit server", syscall.SIGTERM, server, "exited with code 0"},
		{"exit runner", syscall.SIGTERM, runner, "its runner died|it hangs"}, // the new one's drops its rows and stays
	}
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				harness.EachIsolation(t, func(t *testing.T, isolate string) {
					t.Parallel()
					// A signal that comes late, on a busy machine, may find no row with the server. Then the next row makes Ollama start a
					// new runner by itself, and nobody misses the old one: once more.
					for range 20 {
						// A busy machine may also make a server seem to hang that does not: it is started again, as often as it takes.
						j := g.NewJob(t, "--isolate", isolate, "--stall-timeout", "2s", "--max-restarts", "1000")
						j.WriteRows(80)
						j.HitInTheMiddle(tt.signal, func() int { return tt.victim(j, g) }, 0)
						j.CheckRows(80)
						j.CheckBlameless()
						if regexp.MustCompile(tt.told).MatchString(j.Stderr.String()) {
							return
						}
					}
					t.Errorf("the log never says %q", tt.told)
				})
			})
		}
	})
}

// Where a server may not be started again the run says so, with the end of the server's log, and leaves its rows undone.
func TestServerGivenUp(t *testing.T) {
	t.Parallel()
	const rows = 80
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t)
		j.WriteRows(rows)
		j.HitInTheMiddle(syscall.SIGKILL, j.ServerPID, 82, "--max-restarts", "0")
		j.CheckBlameless()
		_, end, told := strings.Cut(j.Stderr.String(), "last lines of the server log results.run/server.log")
		if !told || !strings.HasPrefix(end, ":\n    ") || !strings.Contains(j.Stderr.String(), "--max-restarts") {
			t.Error("the message has neither the end of the server's log nor the limit")
		}
		j.Run(0)
		j.CheckRows(rows)
	})
}

// A machine without a GPU must not quietly spend a job's hours on the CPU, and a missing model is named.
func TestRefusals(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t)
		j.WriteRows(3)
		j.Run(80, "--device", "auto")
		j.Run(85, "--model", "nosuchmodel")
		j.Run(0)
		j.CheckRows(3)
	})
}
