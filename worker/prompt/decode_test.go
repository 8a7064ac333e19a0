package prompt

import (
	"reflect"
	"strings"
	"testing"
)

// decodeOne reads the one row of a line.
func decodeOne(t *testing.T, line string, o Options) Row {
	t.Helper()
	rows := readAll(t, line, o)
	if len(rows) != 1 {
		t.Fatalf("%d rows of %s", len(rows), line)
	}
	return rows[0]
}

func TestRequests(t *testing.T) {
	defaults := testDefaults().Sampling
	with := func(change func(*Sampling)) Sampling {
		s := defaults
		change(&s)
		return s
	}
	user := func(text string) []Message { return []Message{{Role: roleUser, Content: text}} }
	tests := []struct {
		name, line, system string
		endpoint           Endpoint
		messages           []Message
		sampling           Sampling
	}{
		{"chat", `{"custom_id":"c","method":"POST","url":"/v1/chat/completions","body":{"model":"llama3.2:3b","messages":[{"role":"user","content":"hi"}]},"metadata":{"a":1}}`,
			"", Chat, user("hi"), defaults},
		{"completions", `{"custom_id":"c","url":"/v1/completions","body":{"prompt":"hi"}}`, "", Completions, user("hi"), defaults},
		{"chat inferred", `{"custom_id":"c","body":{"messages":[{"role":"user","content":"hi"}]}}`, "", Chat, user("hi"), defaults},
		{"completions inferred", `{"custom_id":"c","body":{"prompt":["hi"]}}`, "", Completions, user("hi"), defaults},
		{"short", `{"custom_id":"c","prompt":"hi"}`, "", Chat, user("hi"), defaults},
		{"short with messages", `{"custom_id":"c","messages":[{"role":"user","content":"hi"}]}`, "", Chat, user("hi"), defaults},
		{"short with system", `{"custom_id":"c","prompt":"hi","system":"s"}`, "run's", Chat, []Message{{Role: roleSystem, Content: "s"}, {Role: roleUser, Content: "hi"}}, defaults},
		{"short with empty system", `{"custom_id":"c","prompt":"hi","system":""}`, "run's", Chat, []Message{{Role: roleSystem, Content: ""}, {Role: roleUser, Content: "hi"}}, defaults},
		{"a completion has no system", `{"custom_id":"c","body":{"prompt":"hi"}}`, "run's", Completions, user("hi"), defaults},
		{"default system of a chat", `{"custom_id":"c","prompt":"hi"}`, "run's", Chat, []Message{{Role: roleSystem, Content: "run's"}, {Role: roleUser, Content: "hi"}}, defaults},
		{"own system", `{"custom_id":"c","messages":[{"role":"user","content":"hi"},{"role":"developer","content":"d"}]}`, "run's", Chat,
			[]Message{{Role: roleUser, Content: "hi"}, {Role: roleSystem, Content: "d"}}, defaults},
		{"conversation", `{"custom_id":"c","messages":[{"role":"user","content":"a"},{"role":"assistant","content":""},{"role":"user","content":"b"}]}`,
			"", Chat, []Message{{Role: roleUser, Content: "a"}, {Role: roleAssistant, Content: ""}, {Role: roleUser, Content: "b"}}, defaults},
		{"parts", `{"custom_id":"c","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"text":"b","type":"text"}]}]}`,
			"", Chat, user("a\n\nb"), defaults},
		{"null is absent", `{"custom_id":"c","method":null,"url":null,"metadata":null,"prompt":null,"system":null,"x":null,"body":{"model":null,"prompt":null,
			"messages":[{"role":"user","content":"hi","name":null,"tool_calls":null}],"max_tokens":null,"max_completion_tokens":null,"temperature":null,"top_p":null,
			"top_k":null,"seed":null,"stop":null,"frequency_penalty":null,"presence_penalty":null,"n":null,"stream":null,"logit_bias":null,"tools":null}}`,
			"", Chat, user("hi"), defaults},
		{"null body", `{"custom_id":"c","body":null,"prompt":"hi"}`, "", Chat, user("hi"), defaults},
		{"every option", `{"custom_id":"c","body":{"model":"llama3.2:latest","messages":[{"content":"hi","role":"user"}],"max_tokens":5,"max_completion_tokens":5,
			"temperature":0,"top_p":1,"top_k":0,"seed":-9007199254740993,"stop":["a","b"],"frequency_penalty":-2,"presence_penalty":2.0e0,"n":1,"stream":false,
			"user":"u","metadata":{},"store":true,"service_tier":"auto","safety_identifier":"s","prompt_cache_key":"k"}}`, "", Chat, user("hi"),
			Sampling{MaxTokens: 5, TopP: 1, Seed: new(int64(-9007199254740993)), Stop: []string{"a", "b"}, FrequencyPenalty: -2, PresencePenalty: 2}},
		{"short options", `{"custom_id":"c","prompt":"hi","max_completion_tokens":9,"stop":"x","metadata":1}`, "", Chat, user("hi"),
			with(func(s *Sampling) { s.MaxTokens, s.Stop = 9, []string{"x"} })},
		{"integers of pandas", `{"custom_id":"c","prompt":"hi","max_tokens":256.0,"seed":1e3,"top_k":-0}`, "", Chat, user("hi"),
			with(func(s *Sampling) { s.MaxTokens, s.Seed, s.TopK = 256, new(int64(1000)), 0 })},
		{"no stops", `{"custom_id":"c","prompt":"hi","stop":[]}`, "", Chat, user("hi"), with(func(s *Sampling) { s.Stop = nil })},
		{"escapes", `{"custom_\u0069d":"c","\u0070rompt":"\"\\\n\u00e9\ud83d\ude00\\"}`, "", Chat, user("\"\\\né😀\\"), defaults},
		{"white space", "\t{ \"custom_id\" : \"c\" ,\t\"body\":{ \"prompt\" : [ \"}]\\\"{\" ] , \"n\" : 1 } } ", "", Completions, user(`}]"{`), defaults},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := jsonlOptions()
			o.Defaults.System = test.system
			row := decodeOne(t, strings.NewReplacer("\n\t", "").Replace(test.line), o)
			if row.Reject != nil {
				t.Fatal(row.Reject)
			}
			if row.CustomID != "c" {
				t.Errorf("custom_id %q", row.CustomID)
			}
			want := Request{Endpoint: test.endpoint, Model: "llama3.2:3b", Messages: test.messages, Sampling: test.sampling}
			if !reflect.DeepEqual(row.Request, want) {
				t.Errorf("got  %+v\nwant %+v", row.Request, want)
			}
		})
	}
}

func TestModels(t *testing.T) {
	tests := []struct{ run, row, want string }{
		{"llama3.2:3b", `"llama3.2:3b"`, "llama3.2:3b"},
		{"llama3.2:3b", `"meta-llama/Llama-3.2-3B-Instruct"`, "llama3.2:3b"},
		{"llama3.2:3b", `"llama3.2"`, "llama3.2:3b"},
		{"llama3.2:3b", `"llama3.2:latest"`, "llama3.2:3b"},
		{"mistral", `"mistral:latest"`, "mistral"},
		{"mistral:latest", `"mistral"`, "mistral:latest"},
		{"mistral", `null`, "mistral"},
		{"", `"anything"`, "anything"},
		{"", `null`, ""},
		{"llama3.2:3b", `"llama3.2:1b"`, "-"},
		{"llama3.2:3b", `"LLAMA3.2:3b"`, "-"},
		{"llama3.2:3b", `""`, "-"},
	}
	for _, test := range tests {
		o := jsonlOptions()
		o.Defaults.Model = test.run
		row := decodeOne(t, `{"prompt":"a","model":`+test.row+`}`, o)
		if row.Reject != nil {
			if test.want != "-" || row.Reject.Code != CodeModelMismatch {
				t.Errorf("%s under %s: %v", test.row, test.run, row.Reject)
			}
			continue
		}
		if row.Request.Model != test.want {
			t.Errorf("%s under %s: %q, want %q", test.row, test.run, row.Request.Model, test.want)
		}
	}
}
