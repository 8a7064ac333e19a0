package result

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/worker/parquet"
	"fluxworker/worker/prompt"
)

// questions hands out rows and their inputs, as a prompt.Reader does.
type questions struct {
	n, at int
	input func(i int) []byte
}

func (q *questions) next() (prompt.Row, error) {
	if q.at == q.n {
		return prompt.Row{}, io.EOF
	}
	q.at++
	return mergeRow(q.at - 1), nil
}

func (q *questions) last() []byte { return q.input(q.at - 1) }

// completion is the line of row i with an answer.
func completion(i int, content string) string {
	body := fmt.Sprintf(`{"object":"chat.completion","created":1764028800,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"length"}]}`, encoded(content))
	return fmt.Sprintf(`{"id":%q,"custom_id":"r%d","response":{"status_code":200,"request_id":"q","body":%s},"error":null}`+"\n", mergeRow(i).Key, i, body)
}

// refusal is the line of row i that the server refused.
func refusal(i int) string {
	return fmt.Sprintf(`{"id":%q,"custom_id":"r%d","response":{"status_code":400,"request_id":"q","body":{"error":{"message":"too long","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}},"error":null}`+"\n", mergeRow(i).Key, i)
}

// writeDocument merges an output's rows to a document and returns it.
func writeDocument(t *testing.T, output string, f Format, q *questions, partial bool) string {
	t.Helper()
	parts, err := Parts(output)
	if err != nil {
		t.Fatal(err)
	}
	d := Document{Path: FileOf(output, f), Format: f, Input: q.last, Model: "asked"}
	m, err := Merge(t.Context(), MergeOptions{Parts: parts, Rows: q.next, Document: &d, Partial: partial})
	if err != nil || !m.Written {
		t.Fatalf("merged: %+v, %v", m, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(output), ".*")); len(left) > 0 {
		t.Errorf("the merge left %q", left)
	}
	if err := d.CheckReplaceable(); err != nil {
		t.Errorf("a document of ours is not seen as one: %v", err)
	}
	return get(t, d.Path)
}

// The documents hold every row in the order of the input, and say the same as the lines. They are read here as their users
// read them: the whole JSON at once, the fields by their names.
func TestDocuments(t *testing.T) {
	const odd = "a \"quoted\", =1+1\r\nsecond line </s> ü\t\u2028"
	inputs := []string{
		`{"custom_id":"r0","body":{"messages":[]},"metadata":{"source":"a.txt","model":"mine"},"ünknown":[1, 2]}`,
		``,
		`{"custom_id":"r2","metadata":null}`,
		`{"custom_id":"r3","metadata":{}}`,
		`{"custom_id":"r4","metadata":"no object"}`,
	}
	output := filepath.Join(t.TempDir(), "results.jsonl")
	writeShard(t, output, Shard{Index: 0, Count: 2}, completion(2, "two")+completion(0, odd), "")
	writeShard(t, output, Shard{Index: 1, Count: 2}, "", refusal(3)+mergeLine(1, true))
	questionsOf := func() *questions {
		return &questions{n: len(inputs), input: func(i int) []byte {
			if inputs[i] == "" {
				return nil // a line that is no JSON
			}
			return []byte(inputs[i])
		}}
	}

	type item struct {
		Input    map[string]any
		Metadata map[string]any
		Output   *struct {
			Object  string
			Choices []struct {
				Message struct{ Content string }
				Finish  string `json:"finish_reason"`
			}
		}
		Error *string
	}
	var document struct{ Results []item }
	text := writeDocument(t, output, LLMFlux, questionsOf(), true)
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	var list []item
	bare := writeDocument(t, output, LLMFluxArray, questionsOf(), true)
	if err := json.Unmarshal([]byte(bare), &list); err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprint(toJSON(t, list)), toJSON(t, document.Results); a != b {
		t.Errorf("the two shapes differ:\n%s\n%s", a, b)
	}
	want := []string{
		`{"input":{"body":{"messages":[]},"custom_id":"r0","metadata":{"model":"mine","source":"a.txt"},"ünknown":[1,2]},"metadata":{"model":"mine","source":"a.txt","timestamp":"2025-11-25T00:00:00"}}`,
		`{"input":{"custom_id":"r1"},"metadata":{"error":true,"model":"asked","timestamp":null}}`,
		`{"input":{"custom_id":"r2","metadata":null},"metadata":{"model":"m","timestamp":"2025-11-25T00:00:00"}}`,
		`{"input":{"custom_id":"r3","metadata":{}},"metadata":{"error":true,"model":"asked","timestamp":null}}`,
		`{"input":{"custom_id":"r4","metadata":"no object"},"metadata":{"error":true,"model":"asked","timestamp":null}}`,
	}
	for i, r := range document.Results {
		got := toJSON(t, map[string]any{"input": r.Input, "metadata": r.Metadata})
		if got != want[i] {
			t.Errorf("item %d is\n%s, want\n%s", i, got, want[i])
		}
		if (r.Output == nil) == (r.Error == nil) {
			t.Errorf("item %d has output and error both or neither", i)
		}
	}
	if c := document.Results[0].Output.Choices[0]; c.Message.Content != odd || c.Finish != "length" {
		t.Errorf("answer 0: %+v", c)
	}
	for i, want := range map[int]string{1: "no: no", 3: "context_length_exceeded: too long", 4: noLine} {
		if got := *document.Results[i].Error; got != want {
			t.Errorf("error %d: %q, want %q", i, got, want)
		}
	}

	rows, err := csv.NewReader(strings.NewReader(writeDocument(t, output, CSV, questionsOf(), true))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	wantRows := [][]string{{"id", "answer", "error"},
		{"r0", strings.ReplaceAll(odd, "\r\n", "\n"), ""}, // so does every reader of CSV in Go
		{"r1", "", "no: no"}, {"r2", "two", ""}, {"r3", "", "context_length_exceeded: too long"}, {"r4", "", noLine}}
	if got := toJSON(t, rows); got != toJSON(t, wantRows) {
		t.Errorf("the table is\n%s, want\n%s", got, toJSON(t, wantRows))
	}
}

// The values of an answer, and of a column of JSON, may have line ends between their parts. A row is one line all the same.
func TestFlatRowsAreOneLine(t *testing.T) {
	output := filepath.Join(t.TempDir(), "results.jsonl")
	writeShard(t, output, Shard{}, completion(0, "{\n \"a\": {\r\n  \"b\": [1, 2]\n }\n}"), "")
	parts, err := Parts(output)
	if err != nil {
		t.Fatal(err)
	}
	q := &questions{n: 1, input: func(int) []byte { return []byte("[[1,\n2]]") }}
	d := Document{Path: FileOf(output, Flat), Format: Flat, Input: q.last, Table: Table{
		Own: []parquet.Column{{Name: "own", Type: parquet.JSON}}, Fields: []parquet.Column{{Name: "a", Type: parquet.JSON}},
	}}
	if _, err := Merge(t.Context(), MergeOptions{Parts: parts, Rows: q.next, Document: &d}); err != nil {
		t.Fatal(err)
	}
	text := get(t, d.Path)
	if want := `"a":{"b":[1,2]},`; strings.Count(text, "\n") != 1 || !strings.Contains(text, want) || !strings.Contains(text, `"own":[1,2],`) {
		t.Errorf("the row is %q, want one line with %s", text, want)
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// Each of several answers to a row has its own line in the table, and an answer that is not a text is there as JSON.
func TestAnswerTexts(t *testing.T) {
	for body, want := range map[string]string{
		`{"choices":[{"message":{"content":"a"}},{"message":{"content":""}}]}`:                    `["a",""]`,
		`{"choices":[{"message":{"content":null,"tool_calls":[1]}},{"message":{"content":"c"}}]}`: `["{\"content\":null,\"tool_calls\":[1]}","c"]`,
		`{"choices":[{"text":"b"}]}`:                                `["b"]`,
		`{"choices":[{"message":{"content":null,"refusal":"x"}}]}`:  `["{\"content\":null,\"refusal\":\"x\"}"]`,
		`{"choices":[{"message":{"content":"","tool_calls":[1]}}]}`: `["{\"content\":\"\",\"tool_calls\":[1]}"]`,
		`{"object":"list","data":[{"embedding":[1,2]}]}`:            `["[{\"embedding\":[1,2]}]"]`,
		`{"object":"strange"}`:                                      `["{\"object\":\"strange\"}"]`,
	} {
		texts, err := AnswerTexts([]byte(body))
		if got := toJSON(t, texts); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", body, got, err, want)
		}
	}
}

// While rows are missing there is no document, and what was there before stays.
func TestDocumentIsWhole(t *testing.T) {
	output := filepath.Join(t.TempDir(), "results.jsonl")
	put(t, output, completion(0, "zero"))
	q := questions{n: 2, input: func(int) []byte { return nil }}
	d := Document{Path: filepath.Join(filepath.Dir(output), "results.json"), Format: LLMFlux, Input: q.last}
	parts, err := Parts(output)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Merge(t.Context(), MergeOptions{Parts: parts, Rows: q.next, Document: &d})
	if err != nil || m.Written || m.Missing != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := os.Stat(d.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the document: %v", err)
	}
	for _, foreign := range []string{"{\n  \"results\": [\n", "[]", "id,answer\n", "x"} {
		put(t, d.Path, foreign)
		if err := d.CheckReplaceable(); err == nil || !strings.Contains(err.Error(), "does not hold results") {
			t.Errorf("%q would be replaced: %v", foreign, err)
		}
	}
}

// However large the rows are, only so many bytes of them are on their way at a time; one that is larger than that goes by
// itself.
func TestInputsAreBounded(t *testing.T) {
	size := inputBytes / 4
	in := newInputs(&Document{Format: LLMFlux, Input: func() []byte { return make([]byte, size) }})
	var taken []byte
	for range 4 {
		input, err := in.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		taken = input
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("given up"))
	if _, err := in.take(ctx); err == nil || err.Error() != "given up" {
		t.Errorf("a fifth is taken: %v", err)
	}
	for range 4 {
		in.release(taken)
	}
	size = 2 * inputBytes
	if input, err := in.take(t.Context()); err != nil || len(input) != size {
		t.Errorf("a large one: %d bytes, %v", len(input), err)
	}
	size = 1
	if _, err := in.take(ctx); err == nil {
		t.Error("another goes with it")
	}
}

// A document shows the reason of a failure, also one that another program has written.
func TestReplyOf(t *testing.T) {
	for line, want := range map[string]string{
		`{"response":{"status_code":400,"body":{"error":{"code":"c","message":"m","param":null}}},"error":null}`: "c: m",
		`{"response":null,"error":{"code":"c","message":"m","line":3}}`:                                          "c: m",
		`{"response":{"status_code":500,"body":{"detail":"x"}},"error":null}`:                                    `{"detail":"x"}`,
		`{"response":{"status_code":500,"body":{"error":{"code":7}}},"error":null}`:                              `{"code":7}`,
		`{"response":null,"error":null}`:                                                                         "no_response: the line holds neither an answer nor a reason",
		`{"response":{"status_code":200},"error":null}`:                                                          "no_response: the line holds neither an answer nor a reason",
		`{"response":{"status_code":200,"body":{}},"error":null}`:                                                "",
	} {
		r, err := replyOf([]byte(line + "\n"))
		if err != nil || r.failure != want || r.answered != (want == "") {
			t.Errorf("%s: %+v, %v, want %q", line, r, err, want)
		}
	}
	for _, line := range []string{"", "{", "[]", "\x00\x00"} {
		if _, err := replyOf([]byte(line)); err == nil {
			t.Errorf("%q was accepted", line)
		}
	}
}
