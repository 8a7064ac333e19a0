package prompt

import (
	"strings"
	"testing"
)

// A schema for all rows counts where a row does not say the form itself, and examples stand before each chat's own messages.
func TestDefaultsOfAllRows(t *testing.T) {
	form, err := ParseStructure([]byte(`{"type": "object", "properties": {"a": {"type": "string"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	examples, err := ParseExamples([]byte(`{"role":"user","content":"q"}` + "\n\n" + `{"role":"assistant","content":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	o := jsonlOptions()
	o.Defaults.Structure, o.Defaults.Examples, o.Defaults.System = form, examples, "brief"
	rows := readAll(t, strings.Join([]string{
		`{"custom_id":"plain","prompt":"x"}`,
		`{"custom_id":"own system","system":"long","prompt":"x"}`,
		`{"custom_id":"text","body":{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"text"}}}`,
		`{"custom_id":"object","body":{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_object"}}}`,
		`{"custom_id":"tools","body":{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f"}}]}}`,
		`{"custom_id":"completion","url":"/v1/completions","body":{"prompt":"x"}}`,
	}, "\n"), o)
	const shot = " user=q assistant=a user=x"
	for i, want := range []struct{ messages, schema string }{
		{"plain system=brief" + shot, `{"type":"object","properties":{"a":{"type":"string"}}}`},
		{"own system system=long" + shot, `{"type":"object","properties":{"a":{"type":"string"}}}`},
		{"text system=brief" + shot, "text"},
		{"object system=brief" + shot, ""},
		{"tools system=brief" + shot, "text"},
		{"completion user=x", "text"},
	} {
		schema := "text"
		if s := rows[i].Request.Structure; s != nil {
			schema = string(s.Schema)
		}
		if got := strings.TrimSpace(describeRows(rows[i : i+1])); got != want.messages || schema != want.schema {
			t.Errorf("%s, schema %s; want %s, %s", got, schema, want.messages, want.schema)
		}
	}
	if err := rows[0].Request.Structure.Check(`{"a":1}`); err == nil {
		t.Error("an answer is not checked")
	}
	bare := readAll(t, `{"custom_id":"plain","prompt":"x"}`, jsonlOptions())
	if rows[0].Key == bare[0].Key {
		t.Error("the defaults are not part of the key")
	}
}

// The forms in which people have schemas and examples, and their mistakes.
func TestFilesForAllRows(t *testing.T) {
	for _, tt := range []struct{ text, schema, err string }{
		{"\ufeff{\"type\": \"object\"}\n", `{"type":"object"}`, ""},
		{`{"name":"x","strict":true,"schema":{"type":"object"}}`, `{"type":"object"}`, ""},
		{`{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object"}}}`, `{"type":"object"}`, ""},
		{`{"type":"object","properties":{"schema":{"type":"string"}}}`, `{"type":"object","properties":{"schema":{"type":"string"}}}`, ""},
		{`[]`, "", "it is a list; a JSON Schema is an object"},
		{`{"type":`, "", "unexpected end of JSON input"},
		{`{"type":"strnig"}`, "", "it is not a valid JSON Schema"},
	} {
		form, err := ParseStructure([]byte(tt.text))
		if tt.err == "" && (err != nil || string(form.Schema) != tt.schema) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %+v, %v; want %s%s", tt.text, form, err, tt.schema, tt.err)
		}
	}
	for _, tt := range []struct {
		text string
		n    int
		err  string
	}{
		{`[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]`, 2, ""},
		{`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}`, 2, ""},
		{"{\"role\":\"user\",\"content\":\"q\"}\r\n{\"role\":\"assistant\",\"content\":\"a\"}\r\n", 2, ""},
		{" \n", 0, "the file is empty"},
		{`[{"role":"system","content":"q"}]`, 0, "messages[0] is of system; examples are turns of user and assistant"},
		{`[{"role":"user"}]`, 0, "messages[0].content is missing"},
		{`q -> a`, 0, "not JSON"},
	} {
		messages, err := ParseExamples([]byte(tt.text))
		if len(messages) != tt.n || tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %v, %v; want %d, %s", tt.text, messages, err, tt.n, tt.err)
		}
	}
}
