package standin

import (
	"strings"
	"testing"

	"fluxworker/test/harness"
)

// An answer that is not the JSON that its row wants is drawn again with another seed, and is an error only when no retry is
// left; the row's line keeps it. It is not the server's failure: nothing is started again.
func TestAnswersOfTheWrongForm(t *testing.T) {
	row := func(id, fields string) string {
		return `{"custom_id":"` + id + `","body":{"messages":[{"role":"user","content":"` + id + ` w"}],"response_format":{"type":"json_object"}` + fields + `}}`
	}
	for _, tt := range []struct {
		name, retries string
		misfits       string
		code          int
		seeds         string // asked with, in order, of the row with a seed
	}{
		{"mended", "3", "2", 0, "7 135 263"},
		{"given up", "1", "2", 3, "7 135"},
		{"not asked again", "0", "1", 3, "7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := harness.New(t, "--max-retries", tt.retries)
			j.UseStandIn("--misfits", tt.misfits, "--record-bodies")
			j.Write(row("seeded", `,"seed":7`), row("free", ``), row("several", `,"n":2`), `{"custom_id":"text","prompt":"text w"}`)
			j.Run(tt.code)
			results, failed := j.RawLines("results.jsonl"), j.RawLines("results-errors.jsonl")
			if results["text"] == nil || len(results)+len(failed) != 4 {
				t.Fatalf("%d answers and %d errors of 4 rows", len(results), len(failed))
			}
			for _, id := range []string{"seeded", "free", "several"} {
				content := at(results[id], "response", "body", "choices", 0, "message", "content")
				e := at(failed[id], "response", "body")
				kept := at(e, "completion", "choices", 0, "message", "content")
				if tt.code == 0 && content != `{"text":"xyz"}` ||
					tt.code != 0 && (at(e, "error", "code") != "invalid_output" || kept != "xyz" || at(failed[id], "response", "status_code") != 422.0) {
					t.Errorf("%s: %v, %v", id, results[id], failed[id])
				}
			}
			if tt.code == 0 && at(results["several"], "response", "body", "choices", 1, "message", "content") != `{"text":"xyz"}` {
				t.Errorf("several: %v", results["several"])
			}
			record := j.Record()
			var seeds []string
			for _, body := range record.Bodies {
				if _, after, ok := strings.Cut(string(body), `"seed":`); ok && strings.Contains(string(body), `"seeded w"`) {
					seeds = append(seeds, after[:strings.IndexAny(after, ",}")])
				}
			}
			if got := strings.Join(seeds, " "); got != tt.seeds || record.Loads != 1 {
				t.Errorf("asked with the seeds %s, want %s; %d loads", got, tt.seeds, record.Loads)
			}
		})
	}
}

// Where each seed gives the same answer a row is not asked again in vain, and its line says what to change.
func TestAnswersThatStayTheSame(t *testing.T) {
	j := harness.New(t, "--max-retries", "3")
	j.UseStandIn("--misfits", "1", "--record-bodies") // a second draw would be good
	const row = `{"custom_id":"ID","body":{"messages":[{"role":"user","content":"ID w"}],"response_format":{"type":"json_object"},FIELDS}}`
	rows := []struct{ id, fields, told string }{
		{"cold", `"temperature":0`, "at temperature 0 another try gives the same answer; raise the temperature"},
		{"narrow", `"top_k":1`, "at top_k 1 another try gives the same answer; raise top_k"},
		{"cut", `"temperature":0,"max_tokens":2`, "allow more with max_tokens"},
		{"drawn", `"temperature":0.1`, ""},
	}
	var lines []string
	for _, r := range rows {
		lines = append(lines, strings.NewReplacer("ID", r.id, "FIELDS", r.fields).Replace(row))
	}
	j.Write(lines...)
	j.Run(3)
	results, failed := j.RawLines("results.jsonl"), j.RawLines("results-errors.jsonl")
	if results["drawn"] == nil || len(results) != 1 || len(failed) != len(rows)-1 {
		t.Fatalf("answers %v and errors %v", results, failed)
	}
	for _, r := range rows {
		body := at(failed[r.id], "response", "body")
		message, _ := at(body, "error", "message").(string)
		if r.told != "" && (at(body, "error", "code") != "invalid_output" || at(body, "completion") == nil || !strings.Contains(message, r.told)) {
			t.Errorf("%s: %v, want one that says %q", r.id, failed[r.id], r.told)
		}
	}
	record := j.Record()
	if record.Requests != len(rows)+1 {
		t.Errorf("%d requests for %d rows, want one more", record.Requests, len(rows))
	}
}

// What the log says of an answer of the wrong form has no word of it: not even the name of a property that the model chose.
func TestTheLogKeepsAnswersOut(t *testing.T) {
	j := harness.New(t, "--max-retries", "0")
	j.UseStandIn() // its answer's only property is called text
	row := func(id, schema string) string {
		return `{"custom_id":"` + id + `","body":{"messages":[{"role":"user","content":"x w"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":` + schema + `}}}}`
	}
	j.Write(row("chosen", `{"additionalProperties":{"type":"integer"}}`), row("wanted", `{"properties":{"text":{"type":"integer"}}}`))
	j.Run(3)
	failed := j.RawLines("results-errors.jsonl")
	for id, place := range map[string]string{"chosen": "at /* it violates the schema's type", "wanted": "at /text it violates the schema's type"} {
		message, _ := at(failed[id], "response", "body", "error", "message").(string)
		if !strings.Contains(message, place) || !strings.Contains(j.Stderr.String(), message) {
			t.Errorf("%s: %q in the line, want %q; logged:\n%s", id, message, place, &j.Stderr)
		}
	}
}

// A model that can does call, think and tell probabilities, and the line says so; an answer that is all thought is counted.
func TestToolsAndThinking(t *testing.T) {
	j := harness.New(t)
	j.UseStandIn()
	const user = `{"custom_id":"ID","body":{"messages":[{"role":"user","content":"x w"}],`
	row := func(id, fields string) string { return strings.Replace(user, "ID", id, 1) + fields + `}}` }
	j.Write(row("call", `"tools":[`+harness.WeatherTool+`]`), row("think", `"reasoning_effort":"medium"`), row("probable", `"logprobs":true`), row("cut", `"max_tokens":2`))
	j.Run(0)
	results := j.RawLines("results.jsonl")
	choice := func(id string) any { return at(results[id], "response", "body", "choices", 0) }
	call := at(choice("call"), "message", "tool_calls", 0)
	if at(call, "function", "name") != "get_weather" || at(call, "function", "arguments") != `{"text":"xyz"}` || at(call, "type") != "function" ||
		!strings.HasPrefix(at(call, "id").(string), "call_") || at(choice("call"), "finish_reason") != "tool_calls" || at(choice("call"), "message", "content") != nil {
		t.Errorf("call: %v", choice("call"))
	}
	usage := at(results["think"], "response", "body", "usage")
	if at(choice("think"), "message", "reasoning_content") != "let me see" || at(choice("think"), "message", "content") != "xyz" ||
		at(usage, "completion_tokens_details", "reasoning_tokens") != 3.0 { // 10 of 13 bytes, of 4 tokens
		t.Errorf("think: %v, %v", choice("think"), usage)
	}
	if at(choice("probable"), "logprobs", "content", 2, "token") != "z" {
		t.Errorf("probable: %v", choice("probable"))
	}
	var summary struct {
		Cut   int `json:"rows_cut"`
		Empty int `json:"rows_empty"`
	}
	j.Read("results.run/summary.json", &summary)
	if summary.Cut != 1 || summary.Empty != 0 || !strings.Contains(j.Stderr.String(), "1 answered rows were cut at max_tokens") {
		t.Errorf("summary: %+v", summary)
	}
}

// A model that only embeds is loaded, proved and asked by embeddings; a row that wants text of it is an error.
func TestEmbeddingModel(t *testing.T) {
	for _, generationFlag := range []string{"o", "n"} {
		t.Run(generationFlag, func(t *testing.T) {
			t.Parallel()
			j := harness.New(t)
			j.UseStandIn("--embeds", "--generation", generationFlag)
			j.Write(`{"custom_id":"vector","url":"/v1/embeddings","body":{"input":["ab","c"]}}`, `{"custom_id":"text","prompt":"x w"}`)
			j.Run(3)
			results, failed := j.RawLines("results.jsonl"), j.RawLines("results-errors.jsonl")
			data := at(results["vector"], "response", "body", "data")
			if at(data, 0, "embedding", 0) != 2.0 || at(data, 1, "embedding", 1) != float64('c') || at(data, 1, "index") != 1.0 ||
				at(results["vector"], "response", "body", "usage", "total_tokens") != 5.0 {
				t.Errorf("vector: %v", results["vector"])
			}
			if message, _ := at(failed["text"], "response", "body", "error", "message").(string); !strings.Contains(message, "does not support chat") {
				t.Errorf("text: %v", failed["text"])
			}
			record := j.Record()
			if record.Loads != 1 {
				t.Errorf("%d loads, want 1", record.Loads)
			}
		})
	}
}
