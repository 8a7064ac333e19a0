package prompt

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// Every bad line becomes one rejected row, with a code, the field at fault and a message that names it.
func TestRejects(t *testing.T) {
	chat := func(messages string) string { return `{"body":{"messages":` + messages + `}}` }
	many := `["` + strings.Repeat(`a","`, maxStops) + `a"]`
	tests := []struct{ name, line, code, param, message string }{
		{"malformed", `{"prompt":"a"`, CodeInvalidJSON, "", "the line is not JSON: unexpected end of JSON input at column 13"},
		{"malformed in the middle", ` {"prompt":a}`, CodeInvalidJSON, "", "invalid character 'a' looking for beginning of value at column 12"},
		{"two objects", `{"prompt":"a"}{"prompt":"b"}`, CodeInvalidJSON, "", "after top-level value at column 15"},
		{"not JSON", `hello`, CodeInvalidJSON, "", "at column 1"},
		{"NaN", `{"prompt":"a","seed":NaN}`, CodeInvalidJSON, "", "at column 22"},
		{"vertical tab", "\v{}", CodeInvalidJSON, "", "column 1"},
		{"string", `"hello"`, CodeInvalidJSON, "", "the line is a string; it must be an object"},
		{"number", `5`, CodeInvalidJSON, "", "the line is a number; it must be an object"},
		{"null", ` null `, CodeInvalidJSON, "", "the line is null; it must be an object"},
		{"list", `["a"]`, CodeInvalidJSON, "", "the line is a list; it must be an object"},
		{"list over lines", `[`, CodeInvalidJSON, "", "unexpected end"},
		{"object over lines", ` { `, CodeInvalidJSON, "", "an object must be on one line"},
		{"invalid UTF-8", "{\"prompt\":\"a\xffb\"}", CodeInvalidJSON, "", "byte 13, 0xff,"},
		{"UTF-16", "\xff\xfe{\x00", CodeInvalidJSON, "", "looks like UTF-16"},
		{"empty object", `{}`, CodeMissing, "body", "body is missing: a row needs a body, a prompt"},
		{"exact names", `{"Prompt":"a"}`, CodeMissing, "body", "body is missing"},
		{"repeated", `{"prompt":"a","prompt":"b"}`, CodeInvalidJSON, "prompt", "prompt is given more than once"},
		{"repeated in body", `{"body":{"prompt":"a","seed":1,"seed":null}}`, CodeInvalidJSON, "body.seed", "body.seed is given more than once"},
		{"empty body", `{"body":{}}`, CodeMissing, "body.messages", "body.messages is missing; /v1/chat/completions needs it"},
		{"body is no object", `{"body":"a"}`, CodeInvalidType, "body", "body is a string; it must be an object"},
		{"custom_id is a number", `{"custom_id":5,"prompt":"a"}`, CodeInvalidType, "custom_id", "custom_id is the number 5; it must be a string"},
		{"field beside body", `{"body":{"prompt":"a"},"temperature":0}`, CodeUnsupported, "temperature", "temperature is not a field of a row with a body: put request fields into body"},
		{"unknown field beside body", `{"body":{"prompt":"a"},"label":"x"}`, CodeUnsupported, "label", "your own data into metadata"},
		{"the name in id", `{"id":"q1","prompt":"a"}`, CodeUnsupported, "id", "id is no field of a row: the name of a row is custom_id, or --id-column id names this column"},
		{"a column in place of the prompt", `{"text":"a"}`, CodeMissing, "body", `it has "text": if that is a column of your data, use --prompt-column "text", or --prompt-template`},
		{"columns in place of the prompt", `{"input":"a","output":"z","instruction":"do"}`, CodeMissing, "body", `it has "output": if that is a column`},
		{"a misspelt list", `{"url":"/v1/chat/completions","body":{"message":[{"role":"user","content":"a"}]}}`, CodeMissing, "body.messages", `body.messages is missing; /v1/chat/completions needs it; it has "message"`},
		{"a prompt for a chat", `{"url":"/v1/chat/completions","body":{"prompt":"a"}}`, CodeMissing, "body.messages", `it has "prompt"`},
		{"speakers of a dataset", `{"messages":[{"from":"human","value":"a"}]}`, CodeMissing, "messages[0].role", "messages[0].role is missing; messages with from and value are read with --messages-column"},
		{"bare base64", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"iVBORw0KGgo` + strings.Repeat("A", 80) + `"}}]}]}`, CodeInvalidValue, "messages[0].content[0].image_url.url", "looks like an image in base64; write data:image/png;base64, in front of it"},
		{"a response without input", `{"url":"/v1/responses","body":{"model":null}}`, CodeMissing, "body.input", "/v1/responses needs it"},
		{"a response to a number", `{"url":"/v1/responses","body":{"input":5}}`, CodeInvalidType, "body.input", "must be a string or a list of messages"},
		{"a response with tools", `{"url":"/v1/responses","body":{"input":"a","tools":[{"type":"web_search"}]}}`, CodeUnsupported, "body.tools", "for functions use /v1/chat/completions"},
		{"a response to another", `{"url":"/v1/responses","body":{"input":"a","previous_response_id":"resp_1"}}`, CodeUnsupported, "body.previous_response_id", "is not supported"},
		{"a response to a cut prompt", `{"url":"/v1/responses","body":{"input":"a","truncation":"auto"}}`, CodeUnsupported, "body.truncation", "prompts are never cut"},
		{"a response to a call", `{"url":"/v1/responses","body":{"input":[{"type":"function_call_output","call_id":"c","output":"o"}]}}`, CodeUnsupported, "body.input[0].call_id", "is not supported"},
		{"a response to a file", `{"url":"/v1/responses","body":{"input":[{"role":"user","content":[{"type":"input_file"}]}]}}`, CodeUnsupported, "body.input[0].content[0].type", "only input_text and input_image"},
		{"a response to a wrong role", `{"url":"/v1/responses","body":{"input":[{"role":"robot","content":"a"}]}}`, CodeInvalidValue, "body.input[0].role", "robot"},
		{"a response with a wrong schema", `{"url":"/v1/responses","body":{"input":"a","text":{"format":{"type":"json_schema","name":"n","schema":{"type":"strnig"}}}}}`, CodeInvalidValue, "body.text.format.schema", "not a valid JSON Schema"},
		{"a response that is too hot", `{"url":"/v1/responses","body":{"input":"a","temperature":5}}`, CodeInvalidValue, "body.temperature", "from 0 to 2"},
		{"NaN in a request", `{"prompt":"a","temperature":NaN}`, CodeInvalidJSON, "", "invalid character 'N'"},
		{"unknown field in short row", `{"prompt":"a","label":"x"}`, CodeUnsupported, "label", "label is no field of a request: put your own data into metadata; if it is a column"},
		{"unknown field with an odd name", `{"prompt":"a","a b\n":"x"}`, CodeUnsupported, `"a b\n"`, `"a b\n" is no field of a request`},
		{"body fields are exact", `{"body":{"prompt":"a","Temperature":0}}`, CodeUnsupported, "body.Temperature", "body.Temperature is not supported"},
		{"logit_bias", `{"body":{"prompt":"a","logit_bias":{}}}`, CodeUnsupported, "body.logit_bias", "body.logit_bias is not supported: Ollama does not have it"},
		{"tools", `{"body":{"prompt":"a","tools":[]}}`, CodeUnsupported, "body.tools", ""},
		{"system in a body", `{"body":{"prompt":"a","system":"s"}}`, CodeUnsupported, "body.system", ""},
		{"method", `{"method":"GET","body":{"prompt":"a"}}`, CodeInvalidValue, "method", `method is "GET"; it must be "POST"`},
		{"method type", `{"method":1,"body":{"prompt":"a"}}`, CodeInvalidType, "method", "method is the number 1; it must be a string"},
		{"method of a short row", `{"method":"POST","prompt":"a"}`, CodeUnsupported, "method", ""},
		{"url", `{"url":"/v1/moderations","body":{"prompt":"a"}}`, CodeURLMismatch, "url", `url is "/v1/moderations"; it must be "/v1/chat/completions", "/v1/completions", "/v1/embeddings" or "/v1/responses"`},
		{"embeddings without input", `{"url":"/v1/embeddings","body":{"prompt":"a"}}`, CodeMissing, "body.input", "body.input is missing"},
		{"url type", `{"url":{},"body":{"prompt":"a"}}`, CodeInvalidType, "url", "url is an object; it must be a string"},
		{"chat without messages", `{"url":"/v1/chat/completions","body":{"prompt":"a"}}`, CodeMissing, "body.messages", "body.messages is missing"},
		{"completions without prompt", `{"url":"/v1/completions","body":{"messages":[]}}`, CodeMissing, "body.prompt", "body.prompt is missing"},
		{"both", `{"body":{"messages":[{"role":"user","content":"a"}],"prompt":"a"}}`, CodeInvalidValue, "body.prompt", "body.prompt and messages are both given"},
		{"model", `{"body":{"prompt":"a","model":"gpt-4o"}}`, CodeModelMismatch, "body.model",
			`body.model is "gpt-4o", but this run's model is "llama3.2:3b"; remove the field, or use --model "gpt-4o"`},
		{"model type", `{"body":{"prompt":"a","model":["x"]}}`, CodeInvalidType, "body.model", "body.model is a list; it must be a string"},

		{"prompt is empty", `{"prompt":""}`, CodeInvalidValue, "prompt", "prompt is empty"},
		{"prompt type", `{"prompt":5}`, CodeInvalidType, "prompt", "prompt is a number; it must be a string"},
		{"prompt object", `{"body":{"prompt":{}}}`, CodeInvalidType, "body.prompt", "body.prompt is an object; it must be a string"},
		{"prompts", `{"body":{"prompt":["a","b"]}}`, CodeUnsupported, "body.prompt", "only a list of one string is supported"},
		{"tokens", `{"body":{"prompt":[1]}}`, CodeUnsupported, "body.prompt", ""},
		{"no prompts", `{"body":{"prompt":[]}}`, CodeInvalidValue, "body.prompt", "is an empty list"},
		{"an empty prompt in a list", `{"body":{"prompt":[""]}}`, CodeInvalidValue, "body.prompt", "is empty"},
		{"system type", `{"prompt":"a","system":5}`, CodeInvalidType, "system", "system is a number; it must be a string"},
		{"two systems", `{"system":"a","messages":[{"role":"system","content":"b"}]}`, CodeInvalidValue, "system", "messages has a system message too"},

		{"messages type", chat(`"a"`), CodeInvalidType, "body.messages", "body.messages is a string; it must be a list"},
		{"no messages", chat(`[]`), CodeInvalidValue, "body.messages", "body.messages is an empty list"},
		{"message type", chat(`["a"]`), CodeInvalidType, "body.messages[0]", "body.messages[0] is a string; it must be an object"},
		{"empty messages", chat(`[{"role":"user","content":""}]`), CodeInvalidValue, "body.messages", "has no message with content"},
		{"no role", chat(`[{"content":"a"}]`), CodeMissing, "body.messages[0].role", ""},
		{"role type", chat(`[{"role":1,"content":"a"}]`), CodeInvalidType, "body.messages[0].role", ""},
		{"role", chat(`[{"role":"bot","content":"a"}]`), CodeInvalidValue, "body.messages[0].role", `is "bot"; it must be system, developer, user, assistant or tool`},
		{"tool", chat(`[{"role":"tool","content":"a"}]`), CodeMissing, "body.messages[0].tool_call_id", ""},
		{"function", chat(`[{"role":"function","content":"a"}]`), CodeUnsupported, "body.messages[0].role", "use tool"},
		{"no content", chat(`[{"role":"user"}]`), CodeMissing, "body.messages[0].content", ""},
		{"null content", chat(`[{"role":"user","content":"a"},{"role":"user","content":null}]`), CodeInvalidValue, "body.messages[1].content", "is null"},
		{"content type", chat(`[{"role":"user","content":5}]`), CodeInvalidType, "body.messages[0].content", "is a number; it must be a string or a list of parts"},
		{"name", chat(`[{"role":"user","content":"a","name":"b"}]`), CodeUnsupported, "body.messages[0].name", ""},
		{"no parts", chat(`[{"role":"user","content":[]}]`), CodeInvalidValue, "body.messages[0].content", "is an empty list"},
		{"part type", chat(`[{"role":"user","content":["a"]}]`), CodeInvalidType, "body.messages[0].content[0]", "is a string; it must be an object"},
		{"part without type", chat(`[{"role":"user","content":[{"text":"a"}]}]`), CodeMissing, "body.messages[0].content[0].type", ""},
		{"part's type's type", chat(`[{"role":"user","content":[{"type":1,"text":"a"}]}]`), CodeInvalidType, "body.messages[0].content[0].type", ""},
		{"part without text", chat(`[{"role":"user","content":[{"type":"text"}]}]`), CodeMissing, "body.messages[0].content[0].text", ""},
		{"part's text's type", chat(`[{"role":"user","content":[{"type":"text","text":5}]}]`), CodeInvalidType, "body.messages[0].content[0].text", ""},
		{"part's extras", chat(`[{"role":"user","content":[{"type":"text","text":"a","cache_control":{}}]}]`), CodeUnsupported, "body.messages[0].content[0].cache_control", ""},

		{"max_tokens differ", `{"prompt":"a","max_tokens":1,"max_completion_tokens":2}`, CodeInvalidValue, "max_completion_tokens", "is 2, but max_tokens is 1"},
		{"stop in list", `{"prompt":"a","stop":["a",5]}`, CodeInvalidType, "stop[1]", "is the number 5; it must be a string"},
		{"empty stop", `{"prompt":"a","stop":""}`, CodeInvalidValue, "stop", "is an empty string"},
		{"empty stop in list", `{"prompt":"a","stop":["a",""]}`, CodeInvalidValue, "stop[1]", "is an empty string"},
		{"stops", `{"prompt":"a","stop":` + many + `}`, CodeInvalidValue, "stop", "has more than 16 strings"},
		{"n", `{"prompt":"a","n":129}`, CodeInvalidValue, "n", "n is 129; it must be a whole number from 1 to 128"},
		{"n of nothing", `{"prompt":"a","n":0}`, CodeInvalidValue, "n", ""},
		{"stream", `{"prompt":"a","stream":true}`, CodeUnsupported, "stream", "stream is true"},
	}
	type scalar struct {
		field, wanted string
		outside       []string
	}
	whole := "a whole number"
	for _, s := range []scalar{
		{"max_tokens", whole, []string{"0", "-1", "2147483648", "1e10", "99999999999999999999"}},
		{"max_completion_tokens", whole, []string{"0"}},
		{"temperature", "a number", []string{"-0.1", "2.01", "1e999"}},
		{"top_p", "a number", []string{"0", "-0", "-1", "1.1"}},
		{"top_k", whole, []string{"-1", "2147483648"}},
		{"seed", whole, []string{"9223372036854775808", "1e300"}},
		{"frequency_penalty", "a number", []string{"-2.1", "3"}},
		{"presence_penalty", "a number", []string{"-2.1", "3"}},
		{"n", whole, []string{"-1"}},
		{"stop", "a string or a list of strings", nil},
		{"stream", "true or false", nil},
	} {
		add := func(value, code, message string) {
			tests = append(tests, struct{ name, line, code, param, message string }{
				s.field + " " + value, `{"body":{"prompt":"a","` + s.field + `":` + value + `}}`, code, "body." + s.field, "body." + s.field + " is " + message})
		}
		add("{}", CodeInvalidType, "an object; it must be "+s.wanted)
		if s.field != "stream" {
			add("true", CodeInvalidType, "true; it must be "+s.wanted)
		}
		if s.field != "stop" {
			add("[1]", CodeInvalidType, "a list; it must be "+s.wanted)
			add(`"hot"`, CodeInvalidType, `the string "hot"; it must be `+s.wanted)
		} else {
			add("5", CodeInvalidType, "the number 5; it must be "+s.wanted)
		}
		if s.wanted == whole {
			add("1.5", CodeInvalidType, "the number 1.5; it must be "+s.wanted)
		}
		for _, value := range s.outside {
			add(value, CodeInvalidValue, value+"; it must be ")
		}
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			row := decodeOne(t, test.line, jsonlOptions())
			if row.Reject == nil {
				t.Fatalf("not rejected: %+v", row.Request)
			}
			if row.Reject.Code != test.code || row.Reject.Param != test.param || !strings.Contains(row.Reject.Message, test.message) {
				t.Errorf("got %+v\nwant code %s, param %q, message with %q", *row.Reject, test.code, test.param, test.message)
			}
			if len(row.Request.Messages) != 0 || row.Request.Endpoint != "" {
				t.Errorf("the row has a request: %+v", row.Request)
			}
			if row.CustomID != "row-1" {
				t.Errorf("custom_id %q", row.CustomID)
			}
		})
	}
}

func TestRejectKeepsCustomID(t *testing.T) {
	for _, line := range []string{
		`{"custom_id":"a","body":{}}`, `{"body":[],"custom_id":"a"}`, `{"custom_id":"a","x":1}`, `{"custom_id":"a","prompt":"p","seed":"s"}`,
	} {
		row := decodeOne(t, line, jsonlOptions())
		if row.Reject == nil || row.CustomID != "a" {
			t.Errorf("%s: custom_id %q, %v", line, row.CustomID, row.Reject)
		}
	}
}

func TestTextRejects(t *testing.T) {
	rows := readAll(t, "a\nb\xc3(\nc", textOptions())
	if len(rows) != 3 || rows[0].Reject != nil || rows[2].Reject != nil {
		t.Fatalf("got %+v", rows)
	}
	if r := rows[1].Reject; r == nil || r.Code != CodeInvalidValue || !strings.Contains(r.Message, "byte 2, 0xc3") {
		t.Errorf("got %v", r)
	}
}

// Long values are cut, and what may be a prompt is never shown.
func TestRejectMessagesAreDiscreet(t *testing.T) {
	const secret = "my secret diary"
	long := strings.Repeat("ü", 500) + secret
	for _, line := range []string{
		fmt.Sprintf(`{"prompt":{"%s":1}}`, secret), fmt.Sprintf(`{"prompt":["%s","%s"]}`, secret, secret), fmt.Sprintf(`"%s"`, secret),
		fmt.Sprintf(`{"messages":["%s"]}`, secret), fmt.Sprintf(`{"messages":"%s"}`, secret), fmt.Sprintf(`{"body":"%s"}`, secret),
		fmt.Sprintf(`{"messages":[{"role":"%s","content":"user"}]}`, secret), fmt.Sprintf(`{"messages":[{"role":"user","content":{"a":"%s"}}]}`, secret),
		fmt.Sprintf(`{"messages":[{"role":"user","content":[{"type":"%s","text":"text"}]}]}`, secret),
		fmt.Sprintf(`{"messages":[{"role":"user","content":[{"type":"text","text":["%s"]}]}]}`, secret),
		fmt.Sprintf(`{"prompt":"a","stop":["%s",""]}`, secret), fmt.Sprintf(`{"prompt":"%s`, secret), fmt.Sprintf(`{"prompt":"%s", 'a'}`, secret),
		fmt.Sprintf(`{"prompt":"a","system":["%s"]}`, secret),
		fmt.Sprintf(`{"prompt":"a","model":"%s"}`, long), fmt.Sprintf(`{"prompt":"a","seed":"%s"}`, long), fmt.Sprintf(`{"prompt":"a","%s":1}`, long),
		imageRow(secret), imageRow(secret + "://" + secret), imageRow("data:" + secret), imageRow("data:" + secret + "," + secret), imageRow("data:image/" + secret + ";base64," + secret),
		imageRow("data:image/png;base64," + secret), imageRow("https://" + secret), strings.Replace(imageRow(""), `"url":`, `"detail":"`+secret+`","url":`, 1),
		fmt.Sprintf(`{"url":"%s","body":{}}`, long), fmt.Sprintf(`{"prompt":"a","seed":1%s}`, strings.Repeat("0", 1000)),
	} {
		row := decodeOne(t, line, jsonlOptions())
		if row.Reject == nil {
			t.Errorf("%.60s: not rejected", line)
			continue
		}
		if strings.Contains(row.Reject.Message, secret) || utf8.RuneCountInString(row.Reject.Message) > 250 {
			t.Errorf("%.60s: message %s", line, row.Reject.Message)
		}
	}
}
