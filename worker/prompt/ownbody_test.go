package prompt

import (
	"hash/maphash"
	"strings"
	"testing"
)

// openAI returns the options of a run for a server of OpenAI's API, whose user has set nothing but the model.
func openAI(change func(*Defaults)) Options {
	d := Defaults{
		Model: "org/Model", OwnBodies: true, Sampling: Sampling{MaxTokens: Unset, Temperature: Unset, TopP: Unset, TopK: Unset},
	}
	if change != nil {
		change(&d)
	}
	return Options{Defaults: d}
}

func TestOwnBodies(t *testing.T) {
	schema, err := ParseStructure([]byte(`{"type":"object"}`))
	if err != nil {
		t.Fatal(err)
	}
	every := func(d *Defaults) {
		d.System, d.Structure = "s", schema
		d.Examples = []Message{{Role: roleUser, Content: "q"}, {Role: roleAssistant, Content: "a"}}
		d.Sampling = Sampling{MaxTokens: 7, Temperature: 0, TopP: 0.5, TopK: 3, Seed: new(int64(4)), Stop: []string{"x"}}
	}
	const sampling = `"temperature":0,"top_p":0.5,"max_tokens":7,"top_k":3,"seed":4,"stop":["x"]`
	const format = `"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"object"}}}`
	for _, test := range []struct {
		name, line string
		defaults   func(*Defaults)
		endpoint   Endpoint
		body       string
	}{
		{"fields that only the server knows, and big numbers", `{"custom_id":"c","url":"/v1/chat/completions","body":{ "model": "lora", "messages":[{"role":"user","content":"a  b","name":"n"}], "prompt_logprobs":1, "guided_json":{"b":1,"a":2}, "x":12345678901234567890, "n":3}}`, nil,
			Chat, `{"model":"lora","messages":[{"role":"user","content":"a  b","name":"n"}],"prompt_logprobs":1,"guided_json":{"b":1,"a":2},"x":12345678901234567890,"n":3}`},
		{"the model, and no stream", `{"custom_id":"c","body":{"messages":[],"model":null,"stream":true,"stream_options":{}}}`, nil, Chat, `{"messages":[],"model":"org/Model"}`},
		{"a stream by another word for true", `{"custom_id":"c","body":{"messages":[],"model":"m","stream":1}}`, nil, Chat, `{"messages":[],"model":"m"}`},
		{"no later response", `{"custom_id":"c","url":"/v1/responses","body":{"input":"a","model":"m","background":true}}`, nil, Responses, `{"input":"a","model":"m"}`},
		{"a stream that is off stays", `{"custom_id":"c","body":{"prompt":[1,2],"stream":false,"model":"m"}}`, nil, Completions, `{"prompt":[1,2],"stream":false,"model":"m"}`},
		{"a score has its model alone", `{"custom_id":"c","url":"/v1/score","body":{"text_1":"a","text_2":["b"]}}`, every, "/v1/score", `{"text_1":"a","text_2":["b"],"model":"org/Model"}`},
		{"embeddings have no sampling", `{"custom_id":"c","body":{"input":"a","model":"m"}}`, every, Embeddings, `{"input":"a","model":"m"}`},
		{"Azure's path", `{"custom_id":"c","url":"/chat/completions","body":{"messages":[],"model":"m"}}`, nil, Chat, `{"messages":[],"model":"m"}`},
		{"the user's settings", `{"custom_id":"c","body":{"model":"m","messages":[{"role":"user","content":"hi"}]}}`, every, Chat,
			`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"hi"}],` + sampling + `,` + format + `}`},
		{"the row's own settings win", `{"custom_id":"c","body":{"model":"m","messages":[{"role":"developer","content":"own"},{"role":"user","content":"hi"}],"temperature":1,"top_p":1,"max_completion_tokens":2,"top_k":1,"seed":1,"stop":"y","response_format":{"type":"text"}}}`, every, Chat,
			`{"model":"m","messages":[{"role":"developer","content":"own"},{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"hi"}],"temperature":1,"top_p":1,"max_completion_tokens":2,"top_k":1,"seed":1,"stop":"y","response_format":{"type":"text"}}`},
		{"a response", `{"custom_id":"c","url":"/v1/responses","body":{"model":"m","input":"hi"}}`, every, Responses,
			`{"model":"m","input":"hi","temperature":0,"top_p":0.5,"max_output_tokens":7,"instructions":"s"}`},
		{"a short row", `{"custom_id":"c","prompt":"hi","temperature":0.5,"n":2}`, nil, Chat,
			`{"model":"org/Model","messages":[{"role":"user","content":"hi"}],"temperature":0.5,"n":2}`},
		{"a short row with the user's settings", `{"custom_id":"c","prompt":"hi","stop":"y"}`, every, Chat,
			`{"model":"org/Model","messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"hi"}],` +
				`"max_tokens":7,"temperature":0,"top_p":0.5,"top_k":3,"seed":4,"stop":["y"],` + format + `}`},
		{"tools, calls and images", `{"custom_id":"c","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}},{"type":"text","text":"t"}]},` +
			`{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"1","content":"r"}],` +
			`"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"logprobs":true,"top_logprobs":2}`, nil, Chat,
			`{"model":"org/Model","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}},{"type":"text","text":"t"}]},` +
				`{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","content":"r","tool_call_id":"1"}],` +
				`"logprobs":true,"top_logprobs":2,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			row := decodeOne(t, test.line, openAI(test.defaults))
			if row.Reject != nil {
				t.Fatalf("rejected: %v", row.Reject)
			}
			if row.Request.Endpoint != test.endpoint || string(row.Request.Body) != test.body || row.Request.Answers() != 1 {
				t.Errorf("%s, %d answers, body\n%s\nwant %s\n%s", row.Request.Endpoint, row.Request.Answers(), row.Request.Body, test.endpoint, test.body)
			}
		})
	}
}

func TestOwnBodyRejects(t *testing.T) {
	for _, test := range []struct{ line, code, part string }{
		{`{"custom_id":"c","url":"http://other/v1/score","body":{}}`, CodeURLMismatch, "http://other"},
		{`{"custom_id":"c","url":"//other/v1/score","body":{}}`, CodeURLMismatch, "other"},
		{`{"custom_id":"c","url":"/v1/../admin","body":{}}`, CodeURLMismatch, "admin"},
		{`{"custom_id":"c","url":"/v1/score?key=1","body":{}}`, CodeURLMismatch, "score"},
		{`{"custom_id":"c","url":"/admin","body":{}}`, CodeURLMismatch, "admin"},
		{`{"custom_id":"c","url":"/v1/","body":{}}`, CodeURLMismatch, "/v1/"},
		{`{"custom_id":"c","body":{"x":1}}`, CodeMissing, "no messages, prompt or input"},
		{`{"custom_id":"c","body":{"prompt":"a","x":1,"x":2}}`, CodeInvalidJSON, "x is given more than once"},
		{`{"custom_id":"c","body":{"prompt":"a","model":7}}`, CodeInvalidType, "model"},
		{`{"custom_id":"c","prompt":"a","options":{"min_p":0.1}}`, CodeUnsupported, "options"},
		{`{"custom_id":"c","prompt":"a","guided_json":{}}`, CodeUnsupported, "guided_json"},
	} {
		row := decodeOne(t, test.line, openAI(nil))
		if row.Reject == nil || row.Reject.Code != test.code || !strings.Contains(row.Reject.Message, test.part) {
			t.Errorf("%s: %+v, want %s with %q", test.line, row.Reject, test.code, test.part)
		}
	}
}

// The key stands for what the server gets: white space is no difference, everything else is.
func TestKeysOfOwnBodies(t *testing.T) {
	key := func(line string, change func(*Defaults)) Key { return decodeOne(t, line, openAI(change)).Key }
	const line = `{"custom_id":"c","body":{"prompt":"a","x":1}}`
	first := key(line, nil)
	if spaced := key(`{"custom_id": "c", "body": {"prompt": "a", "x": 1}}`, nil); spaced != first {
		t.Errorf("white space changes the key from %s to %s", first, spaced)
	}
	for name, other := range map[string]Key{
		"another field":  key(`{"custom_id":"c","body":{"prompt":"a","x":2}}`, nil),
		"another path":   key(`{"custom_id":"c","url":"/v1/score","body":{"prompt":"a","x":1}}`, nil),
		"another model":  key(line, func(d *Defaults) { d.Model = "other" }),
		"another option": key(line, func(d *Defaults) { d.Sampling.Temperature = 0 }),
		"Ollama":         decodeOne(t, `{"custom_id":"c","body":{"prompt":"a"}}`, Options{Defaults: testDefaults()}).Key,
	} {
		if other == first || other.Name() != first.Name() {
			t.Errorf("%s: key %s beside %s; only the half of the request must differ", name, other, first)
		}
	}
}

func TestPrefixOfOwnBodies(t *testing.T) {
	long := strings.Repeat("a long document ", 200)
	seed := maphash.MakeSeed()
	prefix := func(id, question string) Prefix {
		row := decodeOne(t, `{"custom_id":"`+id+`","body":{"seed":`+id+`,"messages":[{"role":"user","content":"`+long+question+`"}]}}`, openAI(nil))
		return PrefixOf(seed, &row.Request)
	}
	if a, b := prefix("1", "who?"), prefix("2", "when?"); len(a) == 0 || a.Common(b) != len(a) {
		t.Errorf("bodies with the same document share %d of %d levels", a.Common(b), len(a))
	}
}
