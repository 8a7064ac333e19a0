package engines

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fluxworker/test/await"
	"fluxworker/test/harness"
	"fluxworker/worker/record"
)

// llamaServer returns the command of the engine's llama-server, for the bigram model.
func llamaServer(g harness.Generation, port string) []string {
	program := filepath.Join(filepath.Dir(filepath.Dir(g.Ollama)), "lib", "ollama", "llama-server")
	return []string{program, "-m", filepath.Join(g.Files, "bigram.gguf"), "-a", "bigram", "-c", "2048", "-np", "4", "--host", "127.0.0.1", "--port", port}
}

// newOpenAIJob makes a job for a server of OpenAI's API.
func newOpenAIJob(t *testing.T, args ...string) *harness.Job {
	j := harness.New(t)
	j.Args = append([]string{"run", "--model", "bigram", "--input", "prompts.jsonl", "--output", "results.jsonl"}, args...)
	return j
}

// A llama-server of the run is killed, the worker is killed, and a signal drains; each row has one line with its own answer at the end.
func TestServerCommand(t *testing.T) {
	t.Parallel()
	rows := 200
	if n, err := strconv.Atoi(os.Getenv("FLUXWORKER_OPENAI_ROWS")); err == nil {
		rows = n
	}
	harness.NewEngine(t, func(t *testing.T, g harness.Generation) {
		j := newOpenAIJob(t, "--device", "cpu", "--server-command", strings.Join(llamaServer(g, "{port}"), " "))
		var all []string
		for i := range rows {
			all = append(all, fmt.Sprintf(`{"custom_id":"row-%d","url":"/v1/completions","body":{"prompt":%q,"temperature":0,"max_tokens":64,"cache_prompt":false}}`, i, harness.PromptOf(i)))
		}
		j.Write(all...)
		server := func() int { return j.Process("usr/bin/llama-server") }

		cmd := j.Start()
		j.AwaitAnswers(10)
		j.Kill(cmd) // nothing of the server is left

		cmd = j.Start()
		j.AwaitAnswers(rows / 4)
		syscall.Kill(server(), syscall.SIGKILL)
		j.AwaitSaid("server lost; starting it again")
		j.AwaitAnswers(rows / 2)
		cmd.Process.Signal(syscall.SIGTERM)
		j.Wait(cmd, 75)
		j.AwaitGone()

		j.Run(0)
		lines := j.Lines("results.jsonl")
		for i := range rows {
			l := lines[fmt.Sprintf("row-%d", i)]
			if l.Response == nil || len(l.Response.Body.Choices) != 1 || l.Response.Body.Choices[0].Text != harness.AnswerTo(harness.PromptOf(i)) {
				t.Errorf("row-%d: %+v, want %q", i, l.Response, harness.AnswerTo(harness.PromptOf(i)))
			}
		}
		if failed := j.Lines("results-errors.jsonl"); len(lines) != rows || len(failed) > 0 {
			t.Errorf("%d answers of %d rows, and %d errors", len(lines), rows, len(failed))
		}
	})
}

// The lines have what llama-server makes of a row: log probabilities, a form by a schema, calls of tools, its own errors; LLMFlux's document has them, too.
func TestOpenAIURL(t *testing.T) {
	t.Parallel()
	harness.NewEngine(t, func(t *testing.T, g harness.Generation) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := "http://" + listener.Addr().String()
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		listener.Close()
		argv := append(llamaServer(g, port), "--jinja", "--chat-template-file", "testdata/tools.jinja")
		server := exec.Command(argv[0], argv[1:]...)
		server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			server.Process.Kill()
			server.Wait()
		})
		await.Until(t, "the health of llama-server", func() bool {
			r, err := http.Get(address + "/health")
			if err != nil {
				return false
			}
			r.Body.Close()
			return r.StatusCode == http.StatusOK
		})
		t.Cleanup(http.DefaultClient.CloseIdleConnections)

		j := newOpenAIJob(t, "--openai-url", address)
		j.Write(
			`{"custom_id":"logprobs","body":{"messages":[{"role":"user","content":"x 7"}],"max_tokens":3,"temperature":0,"logprobs":true,"top_logprobs":2}}`,
			`{"custom_id":"schema","body":{"messages":[{"role":"user","content":"x 7"}],"max_tokens":200,"temperature":0,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object","properties":{"n":{"enum":["one","two"]}},"required":["n"],"additionalProperties":false}}}}}`,
			`{"custom_id":"grammar","url":"/v1/completions","body":{"prompt":"x 7","max_tokens":9,"temperature":0,"grammar":"root ::= \"only this\""}}`,
			`{"custom_id":"tools","body":{"messages":[{"role":"user","content":"x 7"}],"max_tokens":200,"temperature":0,"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"enum":["Oslo","Rome"]}},"required":["city"]}}}],"tool_choice":"required"}}`,
			`{"custom_id":"refused","body":{"messages":"no list"}}`,
			`{"custom_id":"long","url":"/v1/completions","body":{"prompt":"`+strings.Repeat("long ", 2000)+`"}}`,
			`{"custom_id":"short","prompt":"x 7","max_tokens":3,"temperature":0}`,
		)
		j.Run(3)
		var summary record.Summary
		if j.Read("results.run/summary.json", &summary); len(summary.InFlight) != 1 || summary.InFlight[0].Planned != 5 {
			t.Errorf("rows at once: %+v; want 5 at the start, for the 4 slots that llama-server tells", summary.InFlight)
		}
		answers, failures := j.RawLines("results.jsonl"), j.RawLines("results-errors.jsonl")
		if n := at(answers["logprobs"], "response", "body", "choices", 0, "logprobs", "content", 0, "logprob"); n == nil {
			t.Errorf("no log probability: %v", answers["logprobs"])
		}
		var object struct{ N string }
		text, _ := at(answers["schema"], "response", "body", "choices", 0, "message", "content").(string)
		if err := json.Unmarshal([]byte(text), &object); err != nil || object.N != "one" && object.N != "two" {
			t.Errorf("the answer by the schema is %q: %v", text, err)
		}
		if text := at(answers["grammar"], "response", "body", "choices", 0, "text"); text != "only this" {
			t.Errorf("the answer by the grammar is %q", text)
		}
		call := []any{"response", "body", "choices", 0, "message", "tool_calls", 0, "function"}
		var arguments struct{ City string }
		text, _ = at(answers["tools"], append(call, "arguments")...).(string)
		if err := json.Unmarshal([]byte(text), &arguments); err != nil || arguments.City != "Oslo" && arguments.City != "Rome" || at(answers["tools"], append(call, "name")...) != "get_weather" {
			t.Errorf("a row with tools: %v, or %v", answers["tools"], failures["tools"])
		}
		if text := at(answers["short"], "response", "body", "choices", 0, "message", "content"); text == nil || text == "" {
			t.Errorf("a row without a body: %v", answers["short"])
		}
		for name, kind := range map[string]string{"refused": "invalid_request_error", "long": "exceed_context_size_error"} {
			if got := at(failures[name], "response", "body", "error", "type"); got != kind {
				t.Errorf("%s: %v, want %s of the server", name, failures[name], kind)
			}
		}
		j.Run(3, "--output", "results.json")
		document, err := os.ReadFile(j.Path("results.json"))
		var all struct {
			Results []struct {
				Output map[string]any
				Error  string
			}
		}
		if err != nil || json.Unmarshal(document, &all) != nil || len(all.Results) != 7 || all.Results[0].Output["choices"] == nil || all.Results[4].Error == "" {
			t.Errorf("LLMFlux's document (%v): %.500s", err, document)
		}
	})
}
