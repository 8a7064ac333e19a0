package engines

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fluxworker/test/harness"
)

// fieldRows ask for every thing that a row may ask for, one thing each.
var fieldRows = []string{
	`{"custom_id":"schema","body":{"messages":[{"role":"user","content":"x 3"}],"max_tokens":60,"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","properties":{"a":{"enum":["x","yy"]}},"required":["a"],"additionalProperties":false}}}}}`,
	`{"custom_id":"cut","body":{"messages":[{"role":"user","content":"x 3"}],"max_tokens":2,"seed":7,"response_format":{"type":"json_object"}}}`,
	`{"custom_id":"beyond","body":{"messages":[{"role":"user","content":"x 3"}],"max_tokens":20,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"string","pattern":"abc"}}}}}`,
	`{"custom_id":"tools","body":{"messages":[{"role":"user","content":"x 3"},{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Bo\"}"}}]},{"role":"tool","tool_call_id":"c1","content":"12"}],"tools":[` + harness.WeatherTool + `]}}`,
	`{"custom_id":"untold","body":{"messages":[{"role":"user","content":"x 3"}],"tools":[` + harness.WeatherTool + `],"tool_choice":"none"}}`,
	`{"custom_id":"logprobs","body":{"messages":[{"role":"user","content":"x 3"}],"max_tokens":2,"logprobs":true,"top_logprobs":2}}`,
	`{"custom_id":"three","body":{"messages":[{"role":"user","content":"x 3"}],"max_tokens":2,"n":3,"seed":7}}`,
	`{"custom_id":"think","body":{"messages":[{"role":"user","content":"x 3"}],"reasoning_effort":"low"}}`,
	`{"custom_id":"options","body":{"messages":[{"role":"user","content":"x 3"}],"options":{"min_p":0.1,"repeat_penalty":1.2,"repeat_last_n":8,"num_predict":2}}}`,
	`{"custom_id":"completion","url":"/v1/completions","body":{"prompt":"x w","logprobs":1,"max_tokens":2}}`,
	`{"custom_id":"response","url":"/v1/responses","body":{"input":[{"role":"user","content":[{"type":"input_text","text":"x w"}]}],"max_output_tokens":2}}`,
	`{"custom_id":"echo","url":"/v1/completions","body":{"prompt":"x w","echo":true}}`,
	`{"custom_id":"suffix","url":"/v1/completions","body":{"prompt":"x w","suffix":"z"}}`,
	`{"custom_id":"embedding","url":"/v1/embeddings","body":{"input":["x w","y"],"encoding_format":"float"}}`,
	`{"custom_id":"short vector","url":"/v1/embeddings","body":{"input":"x w","dimensions":4,"encoding_format":"base64"}}`,
	`{"custom_id":"long text","url":"/v1/embeddings","body":{"input":"` + strings.Repeat("x", 600) + `"}}`,
	`{"custom_id":"wide","url":"/v1/embeddings","body":{"input":"x w","dimensions":100000}}`,
}

// Each field arrives at a real server as what it is to become, and its answer becomes the line that it is to become. What the
// tiny model cannot do is refused by the server, and the row told so.
func TestFields(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--max-retries", "1")
		j.UseFront(g, "FRONT_BODIES="+j.Path("bodies"))
		j.Write(fieldRows...)
		j.Run(3)
		results, failed := j.RawLines("results.jsonl"), j.RawLines("results-errors.jsonl")
		if len(results)+len(failed) != len(fieldRows) {
			t.Errorf("%d answers and %d errors of %d rows", len(results), len(failed), len(fieldRows))
		}
		for id, check := range answeredFields {
			body := at(results[id], "response", "body")
			if body == nil || !check(body) {
				t.Errorf("%s: got %v, error %v", id, body, at(failed[id], "response", "body"))
			}
		}
		if g.Name == "old" {
			vectors, short := at(results["embedding"], "response", "body", "data"), at(results["short vector"], "response", "body", "data")
			if v, _ := at(vectors, 1, "embedding").([]any); len(v) != 288 || at(vectors, 1, "index") != 1.0 {
				t.Errorf("embedding: %v", vectors)
			}
			if text, _ := at(short, 0, "embedding").(string); len(text) != 24 { // four floats in base64
				t.Errorf("short vector: %v", short)
			}
		}
		for id, want := range refusedFields(g) {
			status, code := at(failed[id], "response", "status_code"), at(failed[id], "response", "body", "error", "code")
			message, _ := at(failed[id], "response", "body", "error", "message").(string)
			if status != want.status || code != want.code || !strings.Contains(message, want.message) {
				t.Errorf("%s: %v %v %q, want %v %s %q", id, status, code, message, want.status, want.code, want.message)
			}
		}
		if at(failed["cut"], "response", "retries") != 1.0 || at(failed["cut"], "response", "body", "completion", "choices", 0, "finish_reason") != "length" {
			t.Errorf("cut: %v", failed["cut"])
		}
		checkBodies(j, g)
		// One that loads twice has been asked with other runner options than it was loaded with.
		log, err := os.ReadFile(j.Path("results.run/server.log"))
		if loads := modelLoad.FindAll(log, -1); err != nil || len(loads) != 1 {
			t.Errorf("the model was loaded %d times, want once (%v)", len(loads), err)
		}
	})
}

// answeredFields are what the tiny model says to the rows, on either engine.
var answeredFields = map[string]func(body any) bool{
	"schema": func(body any) bool {
		var said map[string]string
		err := json.Unmarshal([]byte(at(body, "choices", 0, "message", "content").(string)), &said)
		return err == nil && len(said) == 1 && (said["a"] == "x" || said["a"] == "yy")
	},
	"untold": func(body any) bool {
		return at(body, "choices", 0, "message", "content") == "456789abcdefghijklmnopqrstuvwxyz" && at(body, "choices", 0, "message", "tool_calls") == nil
	},
	"logprobs": func(body any) bool {
		list := at(body, "choices", 0, "logprobs", "content")
		return at(list, 0, "token") == "4" && at(list, 0, "logprob") != nil && at(list, 1, "top_logprobs", 0, "token") == "5" &&
			at(list, 1, "top_logprobs", 1) != nil && at(list, 2) == nil
	},
	"three": func(body any) bool {
		return at(body, "choices", 2, "message", "content") == "45" && at(body, "choices", 2, "index") == 2.0 && at(body, "choices", 3) == nil &&
			at(body, "usage", "completion_tokens") == 6.0 && at(body, "usage", "prompt_tokens") == 4.0
	},
	"options": func(body any) bool { return at(body, "choices", 0, "message", "content") == "45" },
	"completion": func(body any) bool {
		return at(body, "choices", 0, "text") == "xy" && at(body, "choices", 0, "logprobs", "tokens", 1) == "y" &&
			at(body, "choices", 0, "logprobs", "top_logprobs", 0, "x") != nil && at(body, "choices", 0, "logprobs", "text_offset", 1) == 1.0
	},
	"response": func(body any) bool {
		return at(body, "output", 0, "content", 0, "text") == "xy" && at(body, "status") == "incomplete" && at(body, "usage", "output_tokens") == 2.0
	},
	"echo": func(body any) bool { return at(body, "choices", 0, "text") == "x wxyz" },
}

type refusal struct {
	status        float64
	code, message string
}

// refusedFields are the errors of the rows that ask for what the tiny model cannot give.
func refusedFields(g harness.Generation) map[string]refusal {
	all := map[string]refusal{
		"cut":       {422, "invalid_output", "it was asked for 2 times (--max-retries); the last answer was cut at 2 tokens"},
		"tools":     {400, "invalid_request", "does not support tools"},
		"think":     {400, "invalid_request", "does not support thinking"},
		"suffix":    {400, "invalid_request", "does not support insert"},
		"beyond":    {422, "invalid_output", "the last answer was cut at 20 tokens"},
		"long text": {400, "context_length_exceeded", "input length exceeds"},
		"wide":      {400, "invalid_request", "asks for 100000 dimensions, but the model's vectors have 288"},
	}
	if g.Name == "new" {
		for _, id := range []string{"embedding", "short vector", "long text", "wide"} {
			all[id] = refusal{400, "invalid_request", "which model bigram does not make"}
		}
	}
	return all
}

// checkBodies compares what reached the server with what the rows are to become, but for the options that all have.
func checkBodies(j *harness.Job, g harness.Generation) {
	j.T.Helper()
	data, err := os.ReadFile(j.Path("bodies"))
	if err != nil {
		j.T.Fatal(err)
	}
	var sent []string
	for line := range strings.Lines(string(data)) {
		sent = append(sent, strings.TrimSpace(line))
	}
	const user = `"messages":[{"role":"user","content":"x 3"}]`
	want := []string{
		`/api/chat {"format":{"type":"object","properties":{"a":{"enum":["x","yy"]}},"required":["a"],"additionalProperties":false},` + user + `}`,
		`/api/chat {"format":"json",` + user + `,"options":{"seed":7,"num_predict":2}}`,
		`/api/chat {"format":"json",` + user + `,"options":{"seed":135,"num_predict":2}}`,
		`/api/chat {"tools":[` + harness.WeatherTool + `],"messages":[{"role":"user","content":"x 3"},{"role":"assistant","content":"",` +
			`"tool_calls":[{"id":"c1","function":{"index":0,"name":"get_weather","arguments":{"city":"Bo"}}}]},` +
			`{"role":"tool","content":"12","tool_call_id":"c1","tool_name":"get_weather"}],"think":false}`,
		`/api/chat {"logprobs":true,"top_logprobs":2,` + user + `}`,
		`/api/chat {` + user + `,"options":{"seed":8}}`,
		`/api/chat {` + user + `,"options":{"seed":9}}`,
		`/api/chat {"think":"low",` + user + `}`,
		`/api/chat {` + user + `,"options":{"min_p":0.1,"repeat_penalty":1.2,"repeat_last_n":8,"num_predict":2}}`,
		`/api/generate {"prompt":"x w","raw":true,"logprobs":true,"top_logprobs":1,"truncate":false,"shift":false}`,
		`/api/generate {"prompt":"x w","raw":false,"suffix":"z"}`,
	}
	if g.Name == "old" {
		want = append(want, `/api/embed {"input":["x w","y"],"truncate":false,"options":{"num_ctx":512}}`, `/api/embed {"input":["x w"],"dimensions":4}`)
	}
	for _, w := range want {
		if !slices.ContainsFunc(sent, func(s string) bool { return isSentAs(s, w) }) {
			j.T.Errorf("nothing was sent as %s; sent were\n%s", w, data)
		}
	}
}

// isSentAs tells whether a request has all that is wanted of it: path and fields are as they are there, options may be more.
func isSentAs(sent, want string) bool {
	path, body, _ := strings.Cut(sent, " ")
	wantPath, wantBody, _ := strings.Cut(want, " ")
	var got, wanted map[string]any
	if path != wantPath || json.Unmarshal([]byte(body), &got) != nil || json.Unmarshal([]byte(wantBody), &wanted) != nil {
		return false
	}
	options, _ := wanted["options"].(map[string]any)
	for name, value := range options {
		if at(got, "options", name) != value {
			return false
		}
	}
	delete(wanted, "options")
	for name, value := range wanted {
		if !reflect.DeepEqual(got[name], value) {
			return false
		}
	}
	return true
}
