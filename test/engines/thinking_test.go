package engines

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/harness"
)

// tiny-thinking (test/engine/o/mkgguf/phrases.go) thinks as its template (test/engine/tiny-thinking.Modelfile) tells it to: of
// each effort it has another thought, and another answer. With tools the thought ends in a call.

const enumFormat = `"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":` +
	`{"type":"object","properties":{"a":{"enum":["xyz"]}},"required":["a"],"additionalProperties":false}}}`

// Both engines keep thoughts and answers apart. A model thinks when its row says so, and as much.
func TestThinkingOnEngines(t *testing.T) {
	t.Parallel()
	const talk = `{"role":"user","content":"x !"},{"role":"assistant","content":"ok","reasoning_content":"hmm"},{"role":"user","content":"x 3"}`
	const plain = "456789abcdefghijklmnopqrstuvwxyz"
	effort := func(e string) string { return `"reasoning_effort":"` + e + `"` }
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--model", "tiny-thinking", "--max-retries", "1")
		j.Write(
			chatRow("unsaid", "x 3"),
			chatRow("none", "x 3", effort("none")),
			chatRow("minimal", "x 3", effort("minimal")),
			chatRow("low", "x 3", effort("low")),
			chatRow("medium", "x 3", effort("medium")),
			chatRow("high", "x 3", effort("high")),
			chatRow("xhigh", "x 3", effort("xhigh")),
			chatRow("talk", talk, effort("low")),
			chatRow("calls", "x 3", effort("high"), `"tools":[`+strictTool+`]`),
			chatRow("cut", "x 3", effort("low"), `"max_tokens":2`),
			chatRow("probable", "x 3", effort("low"), `"logprobs":true`),
			chatRow("form", "x 3", effort("low"), enumFormat),
			chatRow("cut form", "x 3", effort("low"), enumFormat, `"max_tokens":3`),
		)
		j.Run(3)
		results, failed := j.RawLines("results.jsonl"), j.RawLines("results-errors.jsonl")
		const brief, some, great, longer = "a brief thought", "some thoughts\n", "thoughts at great length", "long and longer thoughts"
		for id, want := range map[string]struct {
			thought, content any
			reason           string
			prompt           string
			tokens, thoughts any // of the answer, and by its bytes of the thought
		}{
			"unsaid":   {nil, plain, "stop", "(user) x 3", 33.0, nil},
			"none":     {nil, plain, "stop", "(user) x 3", 33.0, nil},
			"minimal":  {brief, "xyz", "stop", "(user) x 3$", 8.0, 7.0},
			"low":      {brief, "xyz", "stop", "(user) x 3$", 8.0, 7.0},
			"medium":   {some, "wxyz", "stop", "(user) x 3@", 7.0, 5.0},
			"high":     {great, "vwxyz", "stop", "(user) x 3%", 10.0, 8.0},
			"xhigh":    {longer, "uvwxyz", "stop", "(user) x 3^", 10.0, 8.0},
			"talk":     {brief, "xyz", "stop", "(user) x !(assistant) <think>\nhmm\n</think>\nok(user) x 3$", 8.0, 7.0},
			"calls":    {"let me look\n", nil, "tool_calls", "(get_weather) (user) x 3~", 5.0, 2.0},
			"cut":      {"a brief", "", "length", "(user) x 3$", 2.0, 2.0},
			"probable": {brief, "xyz", "stop", "(user) x 3$", 8.0, 7.0},
		} {
			choice, usage := at(results[id], "response", "body", "choices", 0), at(results[id], "response", "body", "usage")
			if at(choice, "message", "reasoning_content") != want.thought || at(choice, "message", "content") != want.content || at(choice, "finish_reason") != want.reason {
				t.Errorf("%s: got %v, error %v; want %q, %q, %s", id, choice, failed[id], want.thought, want.content, want.reason)
			}
			if at(usage, "prompt_tokens") != tokensOf(want.prompt) || at(usage, "completion_tokens") != want.tokens ||
				at(usage, "completion_tokens_details", "reasoning_tokens") != want.thoughts {
				t.Errorf("%s: %v; want %v for the prompt %q and %v for the answer, %v of them of the thought", id, usage, tokensOf(want.prompt), want.prompt, want.tokens, want.thoughts)
			}
		}
		if calls := callsOf(t, at(results["calls"], "response", "body", "choices", 0)); calls != `get_weather {"city":"Paris"}` {
			t.Errorf("calls: %v", results["calls"])
		}
		if tokens := tokensIn(results["probable"]); tokens != "x|y|z" {
			t.Errorf("there are probabilities of %q, want those of x, y and z", tokens)
		}
		// A form binds what comes behind the thought: Ollama asks twice, and the old generation counts the second prompt.
		var form map[string]string
		message := at(results["form"], "response", "body", "choices", 0, "message")
		content, _ := at(message, "content").(string)
		if err := json.Unmarshal([]byte(content), &form); err != nil || len(form) != 1 || form["a"] != "xyz" || at(message, "reasoning_content") != brief {
			t.Errorf("form: %v, %v (%v)", results["form"], failed["form"], err)
		}
		prompt := "(user) x 3$"
		if g.Name == "old" {
			prompt = "(user) x 3(assistant) <think>\n" + brief + "\n</think>\n"
		}
		if n := at(results["form"], "response", "body", "usage", "prompt_tokens"); n != tokensOf(prompt) {
			t.Errorf("form: the prompt had %v tokens; want the %v of %q", n, tokensOf(prompt), prompt)
		}
		cut := at(failed["cut form"], "response", "body")
		if said, _ := at(cut, "error", "message").(string); at(cut, "error", "code") != "invalid_output" || !strings.Contains(said, "the last answer was cut at 3 tokens") ||
			at(cut, "completion", "choices", 0, "message", "reasoning_content") != brief || len(failed) != 1 {
			t.Errorf("errors: %v", failed)
		}
		checkCounts(j, 1, 1)
	})
}

// tokensIn are the tokens that a line has probabilities of.
func tokensIn(line map[string]any) string {
	var tokens []string
	list, _ := at(line, "response", "body", "choices", 0, "logprobs", "content").([]any)
	for _, token := range list {
		tokens = append(tokens, at(token, "token").(string))
	}
	return strings.Join(tokens, "|")
}

// The new generation thinks by the template in a model's file, too; the old one has a template of its own for the file, which
// knows no thoughts.
func TestThinkingOfAFile(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := newFileJob(t, g, filepath.Join(g.Files, "tiny-thinking.gguf"))
		j.Write(chatRow("none", "x 3"), chatRow("high", "x 3", `"reasoning_effort":"high","logprobs":true`), chatRow("cut", "x 3", `"reasoning_effort":"high","max_tokens":2`))
		want := 0
		if g.Name == "old" {
			want = 3
		}
		j.Run(want)
		results := j.RawLines("results.jsonl")
		message := func(id string) any { return at(results[id], "response", "body", "choices", 0, "message") }
		if at(message("none"), "content") != "456789abcdefghijklmnopqrstuvwxyz" || at(message("none"), "reasoning_content") != nil {
			t.Errorf("none: %v", results["none"])
		}
		if g.Name == "old" {
			for id, l := range j.RawLines("results-errors.jsonl") {
				if said, _ := at(l, "response", "body", "error", "message").(string); !strings.Contains(said, "does not support thinking") || id == "none" {
					t.Errorf("%s: %v", id, l)
				}
			}
			return
		}
		if at(message("high"), "content") != "xyz" || at(message("high"), "reasoning_content") != "a brief thought" {
			t.Errorf("high: %v", results["high"])
		}
		if tokens := tokensIn(results["high"]); tokens != "x|y|z" {
			t.Errorf("high: there are probabilities of %q, want those of x, y and z", tokens)
		}
		if at(message("cut"), "content") != "" || at(message("cut"), "reasoning_content") != "a brief" {
			t.Errorf("cut: %v", results["cut"])
		}
		checkCounts(j, 1, 1)
	})
}
