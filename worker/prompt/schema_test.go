package prompt

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// schemaField is a field of one of OpenAI's requests.
type schemaField struct{ request, name, fate, value string }

// schemaFields reads the table of OpenAI's fields.
func schemaFields(t *testing.T) []schemaField {
	t.Helper()
	data, err := os.ReadFile("testdata/openai/fields.txt")
	if err != nil {
		t.Fatal(err)
	}
	var fields []schemaField
	request := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		switch words := strings.Fields(line); {
		case line == "" || line[0] == '#':
		case len(words) == 1:
			request = line
		default:
			_, value, _ := strings.Cut(line, words[1])
			fields = append(fields, schemaField{request, words[0], words[1], strings.TrimSpace(value)})
		}
	}
	if len(fields) < 55 {
		t.Fatalf("%d fields", len(fields))
	}
	return fields
}

// schemaRow returns a row with the field and the required fields of its endpoint.
func schemaRow(f schemaField) string {
	url, needed, value := "/v1/chat/completions", "messages", `[{"role":"user","content":"hi"}]`
	switch f.request {
	case "CreateCompletionRequest":
		url, needed, value = "/v1/completions", "prompt", `"hi"`
	case "CreateEmbeddingRequest":
		url, needed, value = "/v1/embeddings", "input", `"hi"`
	}
	fields := `"` + needed + `":` + value
	switch {
	case f.name == needed:
		fields = `"` + needed + `":` + f.value
	case f.name == "top_logprobs":
		fields += `,"logprobs":true,"top_logprobs":` + f.value
	case f.name != "":
		fields += `,"` + f.name + `":` + f.value
	}
	return fmt.Sprintf(`{"custom_id":"c","method":"POST","url":%q,"body":{%s}}`, url, fields)
}

// unchanged are mapped fields that may only be given as they are in any case: any other value is refused.
var unchanged = map[string]string{
	"modalities": `["text","audio"]`, "verbosity": `"high"`, "stream": `true`, "parallel_tool_calls": `false`, "tool_choice": `"required"`, "best_of": `2`,
	"model": `"gpt-5"`,
}

// No field of OpenAI's requests is dropped silently: it changes the request, or is refused, or is known to be without effect.
func TestEveryOpenAIField(t *testing.T) {
	for _, f := range schemaFields(t) {
		name := f.request + "." + f.name
		line := schemaRow(f)
		base := schemaRow(schemaField{request: f.request})
		plain, row := decodeOne(t, base, jsonlOptions()), decodeOne(t, line, jsonlOptions())
		if plain.Reject != nil {
			t.Fatal(plain.Reject)
		}
		same := reflect.DeepEqual(plain.Request, row.Request) && plain.Key == row.Key
		switch {
		case f.fate == "refused":
			if row.Reject == nil || row.Reject.Code != CodeUnsupported || row.Reject.Param != "body."+f.name || !strings.Contains(row.Reject.Message, "is not supported: ") {
				t.Errorf("%s: %+v, want a refusal with a reason", name, row.Reject)
			}
		case row.Reject != nil:
			t.Errorf("%s: %s", name, row.Reject.Message)
		case f.fate == "ignored":
			if !same {
				t.Errorf("%s changes the request", name)
			}
		case f.fate != "mapped":
			t.Errorf("%s: there is no fate %q", name, f.fate)
		case unchanged[f.name] != "":
			f.value = unchanged[f.name]
			line := schemaRow(f)
			if other := decodeOne(t, line, jsonlOptions()); !same || other.Reject == nil {
				t.Errorf("%s: the default changes the request (%t), or %s is not refused", name, !same, f.value)
			}
		case same:
			t.Errorf("%s changes nothing", name)
		}
	}
}

// The README has a row for each of OpenAI's fields, and says of each what becomes of it.
func TestEveryOpenAIFieldIsDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/fields.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(data), "# Fields")
	table, _, _ = strings.Cut(table, "\n## ")
	fates := map[string]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for i, name := range strings.Split(cells[1], "`") {
			if i%2 == 1 {
				fates[name] = cells[2]
			}
		}
	}
	for _, f := range schemaFields(t) {
		words := map[string]string{"refused": "refused", "ignored": "no effect"}[f.fate]
		if said, there := fates[f.name]; !there || !strings.Contains(said, words) {
			t.Errorf("%s (%s): the README says %q", f.name, f.fate, said)
		}
	}
	for name := range unsupportedReasons {
		if said := fates[name]; !strings.Contains(said, "refused") {
			t.Errorf("%s is refused for a reason of its own, but the README says %q", name, said)
		}
	}
	for f := range fieldCount {
		if _, there := fates[f.String()]; optionFields.has(f) && !there {
			t.Errorf("%s may stand in options, but is not in the README", f)
		}
	}
}
