package prompt

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

const (
	weather = `{"type":"function","function":{"name":"get_weather","description":"now","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}`
	schemaA = `{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}`
)

// body is a row of a chat with the given fields beside its messages.
func body(fields string) string {
	return `{"custom_id":"c","body":{"messages":[{"role":"user","content":"hi"}],` + fields + `}}`
}

// Each field of a chat becomes one thing in the request, and nothing else changes.
func TestChatFields(t *testing.T) {
	tool := Tool{Name: "get_weather", Description: "now",
		Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`)}
	tests := []struct {
		fields string
		want   func(*Request)
	}{
		{`"n":1`, func(*Request) {}},
		{`"n":3`, func(r *Request) { r.N = 3 }},
		{`"logprobs":false,"top_logprobs":null`, func(*Request) {}},
		{`"logprobs":true`, func(r *Request) { r.Logprobs = new(0) }},
		{`"logprobs":true,"top_logprobs":5`, func(r *Request) { r.Logprobs = new(5) }},
		{`"reasoning_effort":"none"`, func(*Request) {}},
		{`"reasoning_effort":"minimal"`, func(r *Request) { r.Thinking = LowThinking }},
		{`"reasoning_effort":"low"`, func(r *Request) { r.Thinking = LowThinking }},
		{`"reasoning_effort":"medium"`, func(r *Request) { r.Thinking = MediumThinking }},
		{`"reasoning_effort":"high"`, func(r *Request) { r.Thinking = HighThinking }},
		{`"reasoning_effort":"xhigh"`, func(r *Request) { r.Thinking = MaxThinking }},
		{`"reasoning_effort":"max"`, func(r *Request) { r.Thinking = MaxThinking }},
		{`"response_format":{"type":"text"}`, func(*Request) {}},
		{`"response_format":{"type":"json_object"}`, func(r *Request) { r.Structure = &Structure{} }},
		{`"response_format":{"type":"json_schema","json_schema":{"name":"x","description":"d","strict":true,"schema": ` + schemaA + ` }}`,
			func(r *Request) { r.Structure = &Structure{Schema: json.RawMessage(schemaA)} }},
		{`"tools":[` + weather + `]`, func(r *Request) { r.Tools = []Tool{tool} }},
		{`"tools":[` + weather + `],"tool_choice":"auto","parallel_tool_calls":true`, func(r *Request) { r.Tools = []Tool{tool} }},
		{`"tools":[` + weather + `],"tool_choice":"none"`, func(*Request) {}},
		{`"tools":[{"type":"function","function":{"name":"f","strict":true}}]`, func(r *Request) { r.Tools = []Tool{{Name: "f", Strict: true}} }},
		{`"verbosity":"medium","modalities":["text"],"prediction":{"type":"content","content":"x"},"prompt_cache_retention":"24h"`, func(*Request) {}},
	}
	keys := map[Key]Request{}
	for _, test := range tests {
		row := decodeOne(t, body(test.fields), jsonlOptions())
		if row.Reject != nil {
			t.Errorf("%s: %s", test.fields, row.Reject.Message)
			continue
		}
		got := row.Request
		if got.Structure != nil {
			got.Structure.compiled = nil
		}
		for i := range got.Tools {
			got.Tools[i].compiled = nil
		}
		want := Request{Endpoint: Chat, Model: "llama3.2:3b", Messages: []Message{{Role: roleUser, Content: "hi"}}, Sampling: testDefaults().Sampling}
		test.want(&want)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", test.fields, got, want)
		}
		if other, taken := keys[row.Key]; taken && !reflect.DeepEqual(other, want) {
			t.Errorf("%s has the key of %+v", test.fields, other)
		}
		keys[row.Key] = want
	}
}

func TestFieldsRefused(t *testing.T) {
	format := func(f string) string { return body(`"response_format":` + f) }
	schema := func(s string) string {
		return format(`{"type":"json_schema","json_schema":{"name":"x","schema":` + s + `}}`)
	}
	const at = "body.response_format."
	checkRejections(t, []rejection{
		{body(`"top_logprobs":3`), CodeInvalidValue, "body.top_logprobs", "logprobs is not true"},
		{body(`"logprobs":true,"top_logprobs":21`), CodeInvalidValue, "body.top_logprobs", "from 0 to 20"},
		{body(`"logprobs":3`), CodeInvalidType, "body.logprobs", "must be true or false"},
		{body(`"reasoning_effort":"lots"`), CodeInvalidValue, "body.reasoning_effort", "must be none, minimal"},
		{body(`"reasoning_effort":true`), CodeInvalidType, "body.reasoning_effort", "must be a string"},
		{format(`"json"`), CodeInvalidType, "body.response_format", "must be an object"},
		{format(`{}`), CodeMissing, at + "type", "is missing"},
		{format(`{"type":"grammar"}`), CodeInvalidValue, at + "type", "must be text, json_object or json_schema"},
		{format(`{"type":"text","json_schema":{}}`), CodeInvalidValue, at + "json_schema", "but type is"},
		{format(`{"type":"json_schema"}`), CodeMissing, at + "json_schema", "is missing"},
		{format(`{"type":"json_schema","json_schema":{"name":"x"}}`), CodeMissing, at + "json_schema.schema", "is missing"},
		{format(`{"type":"json_schema","json_schema":{"type":"object","properties":{}}}`), CodeMissing, at + "json_schema.schema", "is missing; json_schema has a name"},
		{format(`{"type":"json_schema","json_schema":{"name":"x","schema":{},"type":"object"}}`), CodeUnsupported, at + "json_schema.type", "is not supported"},
		{format(`{"type":"json_object","grammar":"x"}`), CodeUnsupported, at + "grammar", "is not supported"},
		{schema(`[]`), CodeInvalidType, at + "json_schema.schema", "must be an object"},
		{schema(`{"type":"objekt"}`), CodeInvalidValue, at + "json_schema.schema", `is not a valid JSON Schema: at /type it is "objekt", which is unknown to JSON Schema`},
		{schema(`{"$ref":"file:///etc/passwd"}`), CodeInvalidValue, at + "json_schema.schema", `is not a valid JSON Schema: it refers to another schema, "file:///etc/passwd"; put`},
		{schema(`{"$ref":"https://example.com/x"}`), CodeInvalidValue, at + "json_schema.schema", `refers to another schema, "https://example.com/x"; put`},
		{schema(`{"$ref":"#/$defs/none"}`), CodeInvalidValue, at + "json_schema.schema", "is not a valid JSON Schema"},
		{schema(`{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a"}}}`), CodeInvalidValue, at + "json_schema.schema", "is too large: it has more than"},
		{schema(`{"type":"string","pattern":"^(?!a)b$"}`), CodeUnsupported, at + "json_schema.schema", `is not supported: at /pattern it has the pattern "^(?!a)b$", with look-ahead`},
		{format(`{"type":"json_object","schema":{"type":"object"}}`), CodeUnsupported, at + "schema", `write "type": "json_schema" and "json_schema": {"name"`},
		{body(`"tools":{}`), CodeInvalidType, "body.tools", "must be a list"},
		{body(`"tools":[{"type":"custom","custom":{"name":"x"}}]`), CodeUnsupported, "body.tools[0].custom", "is not supported"},
		{body(`"tools":[{"type":"web","function":{}}]`), CodeUnsupported, "body.tools[0].type", "only function"},
		{body(`"tools":[{"type":"function","function":{"name":"a b"}}]`), CodeInvalidValue, "body.tools[0].function.name", "letters"},
		{body(`"tools":[` + weather + `,` + weather + `]`), CodeInvalidValue, "body.tools[1].function.name", "is also the name of [0]"},
		{body(`"tools":[{"type":"function","function":{"name":"f","parameters":{"type":5}}}]`), CodeInvalidValue, "body.tools[0].function.parameters", "not a valid JSON Schema"},
		{body(`"tools":[` + weather + `],"tool_choice":"required"`), CodeUnsupported, "body.tool_choice", `is "required"; Ollama cannot make a model call a tool`},
		{body(`"tools":[` + weather + `],"tool_choice":{"type":"function","function":{"name":"get_weather"}}`), CodeUnsupported, "body.tool_choice", "only auto and none"},
		{body(`"tools":[` + weather + `],"parallel_tool_calls":false`), CodeUnsupported, "body.parallel_tool_calls", "remove the field"},
		{body(`"functions":[]`), CodeUnsupported, "body.functions", "use tools"},
		{body(`"verbosity":"low"`), CodeUnsupported, "body.verbosity", "put it into the prompt"},
		{body(`"modalities":["text","audio"]`), CodeUnsupported, "body.modalities", "generates text only"},
		{body(`"suffix":"x"`), CodeUnsupported, "body.suffix", "is not supported"},
		{`{"body":{"prompt":"a","tools":[]}}`, CodeUnsupported, "body.tools", "is not supported"},
		{`{"body":{"prompt":"a","best_of":3}}`, CodeUnsupported, "body.best_of", "it must equal n"},
		{`{"body":{"prompt":"a","logprobs":21}}`, CodeInvalidValue, "body.logprobs", "the maximum is 20"},
		{`{"body":{"prompt":"a","logprobs":true}}`, CodeInvalidType, "body.logprobs", "a whole number"},
		{`{"body":{"prompt":"a","echo":true,"logprobs":1}}`, CodeUnsupported, "body.echo", "no probabilities of a prompt"},
		{`{"body":{"input":"a","max_tokens":3}}`, CodeUnsupported, "body.max_tokens", "is not supported"},
		{`{"body":{"input":""}}`, CodeInvalidValue, "body.input", "is empty"},
		{`{"body":{"input":[]}}`, CodeInvalidValue, "body.input", "is an empty list"},
		{`{"body":{"input":["a",""]}}`, CodeInvalidValue, "body.input[1]", "is empty"},
		{`{"body":{"input":[1,2]}}`, CodeUnsupported, "body.input[0]", "accepts only text"},
		{`{"body":{"input":[[1,2]]}}`, CodeUnsupported, "body.input[0]", "accepts only text"},
		{`{"body":{"input":"a","dimensions":0}}`, CodeInvalidValue, "body.dimensions", "from 1"},
		{`{"body":{"input":"a","encoding_format":"int8"}}`, CodeInvalidValue, "body.encoding_format", "must be float or base64"},
		{`{"input":"a"}`, CodeMissing, "body", "a row needs a body"},
		{`{"promt":"a"}`, CodeMissing, "body", `a prompt or messages; it has "promt"`},
	})
}

// A conversation with tools becomes one whose tool answers know the tool, as templates want it.
func TestToolTurns(t *testing.T) {
	const user = `{"role":"user","content":"weather?"},`
	call := func(arguments string) string {
		data, _ := json.Marshal(arguments)
		return `{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"call_1","type":"function","function":{"name":"get_weather","arguments":` + string(data) + `}}]}`
	}
	line := func(turns string) string { return `{"messages":[` + user + turns + `]}` }
	got := requestOf(t, line(call(`{ "city": "Paris" }`)+`,{"role":"tool","tool_call_id":"call_1","content":[{"type":"text","text":"12 C"}]}`)).Messages
	want := []Message{
		{Role: roleUser, Content: "weather?"},
		{Role: roleAssistant, Reasoning: "hm", ToolCalls: []ToolCall{{ID: "call_1", Name: "get_weather", Arguments: json.RawMessage(`{"city":"Paris"}`)}}},
		{Role: roleTool, Content: "12 C", ToolCallID: "call_1", ToolName: "get_weather"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	checkRejections(t, []rejection{
		{line(`{"role":"tool","tool_call_id":"call_1","content":"x"}`), CodeInvalidValue, "messages[1].tool_call_id", "but no earlier message has it"},
		{line(call(`[1]`)), CodeInvalidValue, "messages[1].tool_calls[0].function.arguments", "must hold a JSON object"},
		{line(call(`{`)), CodeInvalidValue, "messages[1].tool_calls[0].function.arguments", "must hold a JSON object"},
		{line(`{"role":"user","content":"x","tool_calls":[]}`), CodeUnsupported, "messages[1].tool_calls", "in a message of user"},
		{line(`{"role":"assistant","content":"x","reasoning":"a","reasoning_content":"b"}`), CodeInvalidValue, "messages[1].reasoning", "are both given"},
		{line(`{"role":"assistant","content":null}`), CodeInvalidValue, "messages[1].content", "is null"},
	})
}

func TestOtherEndpoints(t *testing.T) {
	r := requestOf(t, `{"url":"/v1/completions","body":{"prompt":"a","n":2,"best_of":2,"logprobs":3,"suffix":"z","echo":false}}`)
	if r.N != 2 || *r.Logprobs != 3 || r.Suffix != "z" || r.Echo || r.Messages[0].Content != "a" {
		t.Errorf("completion: %+v", r)
	}
	if r = requestOf(t, `{"body":{"prompt":"a","echo":true}}`); !r.Echo || r.Endpoint != Completions {
		t.Errorf("completion: %+v", r)
	}
	for line, want := range map[string]Embedding{
		`{"url":"/v1/embeddings","body":{"input":"a","model":"llama3.2","user":"u"}}`: {Input: []string{"a"}},
		`{"body":{"input":["a","b"],"dimensions":8,"encoding_format":"base64"}}`:      {Input: []string{"a", "b"}, Dimensions: 8, Base64: true},
		`{"url":"/v1/embeddings","body":{"input":["a"],"encoding_format":"float"}}`:   {Input: []string{"a"}},
	} {
		if r := requestOf(t, line); r.Endpoint != Embeddings || !reflect.DeepEqual(*r.Embedding, want) {
			t.Errorf("%s: %+v", line, r.Embedding)
		}
	}
}

// Each answer of a row has a seed of its own, and so has each new draw; none without a seed of the row's.
func TestSeeds(t *testing.T) {
	r := Request{Sampling: Sampling{Seed: new(int64(7))}}
	seen := map[int64]bool{}
	for index := range maxAnswers {
		for draw := range 4 {
			seen[*r.SeedOf(index, draw)] = true
		}
	}
	if len(seen) != 4*maxAnswers || *r.SeedOf(0, 0) != 7 || (&Request{}).SeedOf(1, 1) != nil {
		t.Errorf("%d seeds", len(seen))
	}
}

func TestStructureCheck(t *testing.T) {
	object := requestOf(t, body(`"response_format":{"type":"json_object"}`)).Structure
	schema := requestOf(t, body(`"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":`+schemaA+`}}`)).Structure
	for _, test := range []struct {
		s              *Structure
		answer, reason string
	}{
		{object, ` {"x":[1]} `, ""},
		{object, `[1]`, "not an object"},
		{object, `{"x":1`, "not JSON"},
		{object, ``, "not JSON"},
		{object, `{} {}`, "not JSON"},
		{schema, `{"a":12345678901234567890}`, ""},
		{schema, `{"a":"1"}`, "at /a it violates the schema's type"},
		{schema, `{}`, "it violates the schema's required"},
		{schema, `{"a":1,"b":2}`, "it violates the schema's additionalProperties"},
		{schema, `{"a":1e9999999}`, "it has a number beyond 5000 digits or an exponent beyond 5000, which is not checked"},
	} {
		err := test.s.Check(test.answer)
		if (err == nil) != (test.reason == "") || err != nil && !strings.Contains(err.Error(), test.reason) {
			t.Errorf("%s: %v, want %q", test.answer, err, test.reason)
		}
	}
	open := requestOf(t, body(`"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":`+
		`{"properties":{"list":{"items":{"additionalProperties":{"type":"integer"}}}},"patternProperties":{"^S":{"type":"integer"}},"required":["Sure"],"propertyNames":{"maxLength":8}}}}`)).Structure
	for answer, reason := range map[string]string{ // names and characters that are not in the schema do not show
		`{"Sure":1,"list":[{},{"secret":"x"}]}`:     "at /list/1/* it violates the schema's type",
		`{"Sure":1,"list":[{},{"4111":"x"}]}`:       "at /list/1/* it violates the schema's type",
		`{"Sure":1,"list":[{},{"list":{"a":"x"}}]}`: "at /list/1/list it violates the schema's type",
		`{"Sure":"x"}`:                   "at /Sure it violates the schema's type",
		`{"Sure":1,"Secret":"x"}`:        "at /* it violates the schema's type",
		`{"Sure":1,"much too long":"x"}`: "at / it violates the schema's maxLength",
		`{"Sure":1,§`:                    "it is not JSON from byte 11 on",
		`{"Sure":1`:                      "it is not JSON: unexpected EOF",
	} {
		if err := open.Check(answer); err == nil || err.Error() != reason {
			t.Errorf("%s: %v, want %q", answer, err, reason)
		}
	}
	strict := requestOf(t, body(`"tools":[`+strings.Replace(weather, `"name"`, `"strict":true,"name"`, 1)+`]`))
	for arguments, good := range map[string]bool{`{"city":"x"}`: true, `{"city":5}`: false, `{}`: false} {
		err := strict.CheckCalls([]ToolCall{{Name: "get_weather", Arguments: json.RawMessage(arguments)}, {Name: "other"}})
		if (err == nil) != good {
			t.Errorf("%s: %v", arguments, err)
		}
	}
}
