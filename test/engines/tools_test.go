package engines

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/harness"
)

// tiny-tools (test/engine/o/mkgguf/phrases.go) calls get_weather behind an exclamation mark, the same with a number for the
// city behind #, and get_weather and get_time behind &. Its template is test/engine/tiny-tools.Modelfile.

const timeTool = `{"type":"function","function":{"name":"get_time","parameters":{"type":"object","properties":{"zone":{"type":"string"}}}}}`

// strictTool is harness.WeatherTool with arguments that are checked.
var strictTool = strings.Replace(harness.WeatherTool, `"name"`, `"strict":true,"name"`, 1)

// rendered is what tiny-tools gets of a conversation that goes on from what a tool said.
const rendered = `(get_weather) (get_time) (user) x !(assistant) <tool_call>{"name": "get_weather", "arguments": {"city":"Paris"}}</tool_call>(get_weather said) now 3`

// tokensOf counts the tokens of a prompt of the tiny models that have tags: one for each byte, for each tag and for the
// beginning.
func tokensOf(prompt string) float64 {
	for _, tag := range []string{"<tool_call>", "</tool_call>", "<think>", "</think>"} {
		prompt = strings.ReplaceAll(prompt, tag, "T")
	}
	return float64(1 + len(prompt))
}

// chatRow is a row that has a user say something, or the given messages, and more fields.
func chatRow(id, said string, fields ...string) string {
	if !strings.HasPrefix(said, "{") {
		said = fmt.Sprintf(`{"role":"user","content":%q}`, said)
	}
	return fmt.Sprintf(`{"custom_id":%q,"body":{%s}}`, id, strings.Join(append([]string{`"messages":[` + said + `]`}, fields...), ","))
}

// Both engines read calls out of what a model says. They are in the lines in OpenAI's form, and a conversation goes on from
// what the tools said.
func TestToolsOnEngines(t *testing.T) {
	t.Parallel()
	const talk = `{"role":"user","content":"x !"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",` +
		`"function":{"name":"get_weather","arguments":"{\"city\": \"Paris\"}"}}]},{"role":"tool","tool_call_id":"c1","content":"now 3"}`
	const all = "0123456789abcdefghijklmnopqrstuvwxyz"
	both, strict := `"tools":[`+harness.WeatherTool+`,`+timeTool+`]`, `"tools":[`+strictTool+`,`+timeTool+`]`
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--model", "tiny-tools", "--max-retries", "1")
		j.Write(
			chatRow("call", "x !", both),
			chatRow("strict", "x !", strict),
			chatRow("loose", "x #", both),
			chatRow("wrong", "x #", strict),
			chatRow("several", "x &", strict),
			chatRow("twice", "x !", both, `"n":2`),
			chatRow("no call", "x 3", both),
			chatRow("told", talk, both),
			chatRow("untold", "x !", both, `"tool_choice":"none"`),
			chatRow("cut", "x !", both, `"max_tokens":4`),
			chatRow("unknown", "x !", `"tools":[`+timeTool+`]`),
			chatRow("probable", "x !", both, `"logprobs":true`),
			chatRow("think", "x 3", `"reasoning_effort":"low"`),
			`{"custom_id":"raw","url":"/v1/completions","body":{"prompt":"x !"}}`,
		)
		j.Run(3)
		results, failed := j.RawLines("results.jsonl"), j.RawLines("results-errors.jsonl")

		const paris, five = `get_weather {"city":"Paris"}`, `get_weather {"city":5}`
		for id, want := range map[string]struct {
			content any
			reason  string
			calls   string
		}{
			"call":    {nil, "tool_calls", paris},
			"strict":  {nil, "tool_calls", paris},
			"loose":   {nil, "tool_calls", five},
			"several": {"Looking. ", "tool_calls", `get_weather {"city":"Rome"} get_time {"zone":"CET"}`},
			"twice":   {nil, "tool_calls", paris},
			"no call": {all[4:], "stop", ""},
			"told":    {all[4:], "stop", ""},
			"untold":  {all, "stop", ""},
			// What the engines cannot read they drop.
			"cut":      {"", "length", ""},
			"unknown":  {"", "stop", ""},
			"probable": {nil, "tool_calls", paris},
		} {
			choices, _ := at(results[id], "response", "body", "choices").([]any)
			if len(choices) == 0 || len(choices) != 1 && id != "twice" {
				t.Errorf("%s: %d answers, error %v", id, len(choices), failed[id])
			}
			for _, c := range choices {
				if calls := callsOf(t, c); calls != want.calls || at(c, "message", "content") != want.content || at(c, "finish_reason") != want.reason {
					t.Errorf("%s: got %v; want %v, calls %q, %s", id, c, want.content, want.calls, want.reason)
				}
			}
		}
		first, second := at(results["twice"], "response", "body", "choices", 0), at(results["twice"], "response", "body", "choices", 1)
		if at(first, "message", "tool_calls", 0, "id") == at(second, "message", "tool_calls", 0, "id") {
			t.Errorf("twice: %v and %v", first, second)
		}
		for id, prompt := range map[string]string{"call": "(get_weather) (get_time) (user) x !", "untold": "(user) x !.", "told": rendered} {
			if n := at(results[id], "response", "body", "usage", "prompt_tokens"); n != tokensOf(prompt) {
				t.Errorf("%s: the prompt had %v tokens; want the %v of %q", id, n, tokensOf(prompt), prompt)
			}
		}
		if tokens := at(results["probable"], "response", "body", "choices", 0, "logprobs", "content"); at(tokens, 0, "token") != "<tool_call>" || at(tokens, 5, "token") != "</tool_call>" {
			t.Errorf("probable: %v", tokens)
		}
		if text := at(results["raw"], "response", "body", "choices", 0, "text"); text != "<tool_call>\n"+`{"name": "get_weather", "arguments": {"city": "Paris"}}`+"\n</tool_call>" {
			t.Errorf("raw: %v", text)
		}

		wrong := at(failed["wrong"], "response", "body")
		message, _ := at(wrong, "error", "message").(string)
		if at(failed["wrong"], "response", "status_code") != 422.0 || at(failed["wrong"], "response", "retries") != 1.0 || at(wrong, "error", "code") != "invalid_output" ||
			!strings.Contains(message, `its call of "get_weather": at /city it violates the schema's type`) || callsOf(t, at(wrong, "completion", "choices", 0)) != five {
			t.Errorf("wrong: %v", failed["wrong"])
		}
		if message, _ := at(failed["think"], "response", "body", "error", "message").(string); !strings.Contains(message, "does not support thinking") || len(failed) != 2 {
			t.Errorf("errors: %v", failed)
		}
		checkCounts(j, 1, 2)
	})
}

// A model's own file has a template, too. The new generation applies it, finds the calls by it, and holds what stands in a call
// to the tool's schema; the old one has a template of its own for the file, which knows no tools.
func TestToolsOfAFile(t *testing.T) {
	t.Parallel()
	const talk = `{"role":"user","content":"x !"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",` +
		`"function":{"name":"get_weather","arguments":"{\"city\": \"Paris\"}"}}]},{"role":"tool","tool_call_id":"c1","content":"now 3"}`
	both := `"tools":[` + harness.WeatherTool + `,` + timeTool + `]`
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := newFileJob(t, g, filepath.Join(g.Files, "tiny-tools.gguf"))
		j.Args = append(j.Args, "--max-retries", "1")
		j.Write(chatRow("call", "x !", both), chatRow("held", "x #", both, `"max_tokens":20`), chatRow("several", "x &", both), chatRow("told", talk, both),
			chatRow("cut", "x !", both, `"max_tokens":4`), chatRow("stopped", "x !", both, `"stop":["Paris"]`),
			chatRow("begun", "x &", both, `"n":2,"max_tokens":3`), chatRow("probable", "x !", both, `"logprobs":true`))
		j.Run(3)
		results, failed := j.RawLines("results.jsonl"), j.RawLines("results-errors.jsonl")
		message := func(id string) string {
			text, _ := at(failed[id], "response", "body", "error", "message").(string)
			return text
		}
		if g.Name == "old" {
			for id := range failed {
				if !strings.Contains(message(id), "does not support tools; remove tools") {
					t.Errorf("%s: %v", id, failed[id])
				}
			}
			return
		}
		// A call that the server cannot read is the answer's failure: the server is not started again for it.
		for _, id := range []string{"cut", "stopped", "begun"} {
			if at(failed[id], "response", "body", "error", "code") != "invalid_output" || at(failed[id], "response", "status_code") != 422.0 || at(failed[id], "response", "retries") != 1.0 ||
				!strings.Contains(message(id), "the server could not parse the answer") || !strings.Contains(message(id), "it was asked for 2 times") {
				t.Errorf("%s: %v, %v", id, results[id], failed[id])
			}
		}
		if !strings.Contains(message("probable"), "logprobs is not supported with tools") {
			t.Errorf("probable: %v, %v", results["probable"], failed["probable"])
		}
		// The model has a number for the city. What becomes of its answer without one is open.
		if calls := callsOf(t, at(results["held"], "response", "body", "choices", 0)); calls == `get_weather {"city":5}` || results["held"] == nil && failed["held"] == nil {
			t.Errorf("held: %v, %v", results["held"], failed["held"])
		}
		log, err := os.ReadFile(j.Path("results.run/server.log"))
		if loads := modelLoad.FindAll(log, -1); err != nil || len(loads) != 1 {
			t.Errorf("the model was loaded %d times, want once (%v)", len(loads), err)
		}
		for id, want := range map[string]string{
			"call":    `get_weather {"city":"Paris"}`,
			"several": `get_weather {"city":"Rome"} get_time {"zone":"CET"}`,
			"told":    "",
		} {
			choice := at(results[id], "response", "body", "choices", 0)
			if calls := callsOf(t, choice); calls != want {
				t.Errorf("%s: got %v, error %v; want the calls %q", id, choice, failed[id], want)
			}
		}
		if content := at(results["told"], "response", "body", "choices", 0, "message", "content"); content != "456789abcdefghijklmnopqrstuvwxyz" {
			t.Errorf("told: %v", content)
		}
	})
}

// callsOf writes a choice's calls in a line, each with its name and arguments, after a look at the rest of them.
func callsOf(t *testing.T, choice any) string {
	t.Helper()
	var calls []string
	list, _ := at(choice, "message", "tool_calls").([]any)
	for _, call := range list {
		if id, _ := at(call, "id").(string); id == "" || at(call, "type") != "function" {
			t.Errorf("a call is %v", call)
		}
		calls = append(calls, fmt.Sprint(at(call, "function", "name"), " ", at(call, "function", "arguments")))
	}
	return strings.Join(calls, " ")
}

// checkCounts compares how many answers were cut and empty, as the summary counts them.
func checkCounts(j *harness.Job, cut, empty int) {
	j.T.Helper()
	var summary struct {
		Cut   int `json:"rows_cut"`
		Empty int `json:"rows_empty"`
	}
	j.Read("results.run/summary.json", &summary)
	if summary.Cut != cut || summary.Empty != empty {
		j.T.Errorf("the summary counts %+v, want %d cut and %d empty", summary, cut, empty)
	}
}
