package prompt

import (
	"reflect"
	"strings"
	"testing"
)

// rejection is a line, and how its row is refused.
type rejection struct{ line, code, param, message string }

func checkRejections(t *testing.T, tests []rejection) {
	t.Helper()
	for _, test := range tests {
		row := decodeOne(t, test.line, jsonlOptions())
		switch r := row.Reject; {
		case r == nil:
			t.Errorf("%s: accepted", test.line)
		case r.Code != test.code || r.Param != test.param || !strings.Contains(r.Message, test.message):
			t.Errorf("%s:\n got %+v\nwant code %s, param %q, message with %q", test.line, *r, test.code, test.param, test.message)
		}
	}
}

// requestOf is the request of a line that is a good row.
func requestOf(t *testing.T, line string) Request {
	t.Helper()
	row := decodeOne(t, line, jsonlOptions())
	if row.Reject != nil {
		t.Fatalf("%s: %s", line, row.Reject.Message)
	}
	return row.Request
}

func TestOptions(t *testing.T) {
	tests := []struct {
		options string
		want    func(*Sampling)
	}{
		{`{}`, func(*Sampling) {}},
		{`null`, func(*Sampling) {}},
		{`{"top_k":5,"top_p":0.5,"temperature":1,"seed":3,"stop":["a"],"num_predict":9,"frequency_penalty":1,"presence_penalty":-1}`, func(s *Sampling) {
			*s = Sampling{MaxTokens: 9, Temperature: 1, TopP: 0.5, TopK: 5, Seed: new(int64(3)), Stop: []string{"a"}, FrequencyPenalty: 1, PresencePenalty: -1}
		}},
		{`{"min_p":0.05,"repeat_penalty":1.1,"repeat_last_n":-1}`, func(s *Sampling) { s.MinP, s.RepeatPenalty, s.RepeatLastN = 0.05, 1.1, new(-1) }},
		{`{"min_p":0,"repeat_penalty":1.0,"repeat_last_n":64,"top_k":null}`, func(*Sampling) {}},
		{`{"repeat_last_n":0}`, func(s *Sampling) { s.RepeatLastN = new(0) }},
	}
	for _, test := range tests {
		want := testDefaults().Sampling
		test.want(&want)
		for _, line := range []string{
			`{"prompt":"a","options":` + test.options + `}`,
			`{"body":{"messages":[{"role":"user","content":"a"}],"options":` + test.options + `}}`,
		} {
			if got := requestOf(t, line).Sampling; !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, want %+v", line, got, want)
			}
		}
	}
	if got := requestOf(t, `{"prompt":"a","top_k":5,"max_tokens":7,"options":{"top_k":5,"num_predict":7}}`).Sampling; got.TopK != 5 || got.MaxTokens != 7 {
		t.Errorf("said twice alike: %+v", got)
	}
}

func TestOptionsRefused(t *testing.T) {
	with := func(options string) string { return `{"body":{"prompt":"a","options":` + options + `}}` }
	tests := []rejection{
		{with(`5`), CodeInvalidType, "body.options", "is a number; it must be an object"},
		{with(`{"min_p":1.5}`), CodeInvalidValue, "body.options.min_p", "is 1.5; it must be from 0 to 1"},
		{with(`{"repeat_penalty":0}`), CodeInvalidValue, "body.options.repeat_penalty", "must be above 0"},
		{with(`{"repeat_last_n":-2}`), CodeInvalidValue, "body.options.repeat_last_n", "from -1"},
		{with(`{"num_predict":-1}`), CodeInvalidValue, "body.options.num_predict", "is -1"},
		{with(`{"top_k":5,"top_k":6}`), CodeInvalidJSON, "body.options.top_k", "more than once"},
		{with(`{"n":1}`), CodeUnsupported, "body.options.n", "is not supported; remove it"},
		{`{"prompt":"a","top_k":4,"options":{"top_k":5}}`, CodeInvalidValue, "options.top_k", "differs from the row's top_k"},
		{`{"prompt":"a","max_completion_tokens":4,"options":{"num_predict":5}}`, CodeInvalidValue, "options.num_predict", "differs from the row's max_completion_tokens"},
		{`{"prompt":"a","min_p":0.1}`, CodeUnsupported, "min_p", "use options.min_p"},
		{`{"prompt":"a","num_predict":5}`, CodeUnsupported, "num_predict", "use max_tokens"},
	}
	for _, name := range []string{"num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict"} {
		tests = append(tests, rejection{with(`{"` + name + `":1}`), CodeUnsupported, "body.options." + name, "would have the server load the model anew"})
	}
	for _, name := range []string{"mirostat", "mirostat_eta", "mirostat_tau", "tfs_z", "typical_p", "penalize_newline"} {
		tests = append(tests, rejection{with(`{"` + name + `":1}`), CodeUnsupported, "body.options." + name, "does not have it any more"})
	}
	for name, why := range map[string]string{
		"keep_alive": "stays loaded", "truncate": "never cut", "shift": "out of the context", "num_ctx": "--context", "think": "reasoning_effort", "format": "response_format",
	} {
		tests = append(tests, rejection{`{"prompt":"a","` + name + `":1}`, CodeUnsupported, name, why})
	}
	checkRejections(t, tests)
}

// Saying the default changes nothing that is asked, and so no key; anything else does.
func TestKeysOfOptions(t *testing.T) {
	key := func(options string) Key {
		t.Helper()
		return decodeOne(t, `{"custom_id":"a","prompt":"hi","options":`+options+`}`, jsonlOptions()).Key
	}
	seen := map[Key]string{key(`null`): "none"}
	for _, same := range []string{`{}`, `{"min_p":0,"repeat_penalty":1,"repeat_last_n":64}`, `{"top_k":40}`} {
		if seen[key(same)] != "none" {
			t.Errorf("%s changes the key", same)
		}
	}
	for _, other := range []string{`{"min_p":0.1}`, `{"repeat_penalty":1.1}`, `{"repeat_last_n":65}`, `{"repeat_last_n":-1}`, `{"top_k":41}`} {
		if before, taken := seen[key(other)]; taken {
			t.Errorf("%s has the key of %s", other, before)
		}
		seen[key(other)] = other
	}
}
