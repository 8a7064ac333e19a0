package engines

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"fluxworker/test/harness"
)

// embedded asks a server for the vectors of a row's texts alone, by its own interface for OpenAI's clients.
func embedded(t *testing.T, url, body string) map[string]any {
	t.Helper()
	response, err := http.Post(url+"/v1/embeddings", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// Rows whose texts share a request have the lines that they have alone, with the same vectors bit by bit; the tokens of all lines
// are those of all rows alone. A text that is too long is the error of its own row.
func TestRowsShareRequestsForVectors(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		url := serveModels(t, g)
		j := g.NewJob(t, "--model", "tiny-bert", "--ollama-url", url, "--batch-size", "1")
		// By estimate, the text has a fourth of the context. But this model has a token for each letter.
		tooLong := strings.Repeat("abcdefghi ", 60)
		bodies, rows := make(map[string]string), []string{}
		for i := range 150 {
			body := fmt.Sprintf(`"input":"text %d of %d"`, i, i%7)
			switch i % 10 {
			case 3:
				body = fmt.Sprintf(`"input":["a %d","b %d c"]`, i, i)
			case 6:
				body += `,"dimensions":16`
			case 9:
				body += `,"encoding_format":"base64"`
			}
			if i == 77 {
				body = `"input":"` + tooLong + `"`
			}
			id := fmt.Sprint("row-", i)
			bodies[id] = body
			rows = append(rows, fmt.Sprintf(`{"custom_id":%q,"url":"/v1/embeddings","body":{%s}}`, id, body))
		}
		j.Write(rows...)
		j.Run(3)
		results, failed := j.RawLines("results.jsonl"), j.RawLines("results-errors.jsonl")
		if code := at(failed["row-77"], "response", "body", "error", "code"); len(results) != len(rows)-1 || len(failed) != 1 || code != "context_length_exceeded" {
			t.Fatalf("%d results and the errors %v; want only row-77 to be too long", len(results), failed)
		}
		if at(results["row-75"], "response", "body", "usage", "estimated") == true && at(results["row-78"], "response", "body", "usage", "estimated") == true {
			t.Error("the rows around the long text were not asked again: it was alone, so the test shows nothing")
		}
		tokens, estimated := 0.0, 0
		for id, body := range bodies {
			if id == "row-77" {
				continue
			}
			alone := embedded(t, url, `{"model":"tiny-bert",`+body+`}`)
			ours := at(results[id], "response", "body")
			want, _ := json.Marshal(alone["data"])
			got, _ := json.Marshal(at(ours, "data"))
			if !bytes.Equal(got, want) {
				t.Errorf("%s: the line has %s; the server says %s to the row alone", id, got, want)
			}
			tokens += at(alone, "usage", "prompt_tokens").(float64) - at(ours, "usage", "prompt_tokens").(float64)
			if at(ours, "usage", "estimated") == true {
				estimated++
			}
		}
		if tokens != 0 || estimated < len(rows)/2 {
			t.Errorf("%v tokens are missing; %d rows shared a request, want half of %d", tokens, estimated, len(rows))
		}
	})
}

// A worker that is killed in the middle of rows that share requests goes on where it was: no row has two lines, and none is lost.
func TestKilledBetweenSharedRequests(t *testing.T) {
	t.Parallel()
	const rows = 1500
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--model", "tiny-bert", "--batch-size", "1")
		j.UseFront(g)
		input := make([]string, rows)
		for i := range input {
			input[i] = embeddingRow(fmt.Sprint("row-", i), fmt.Sprintf("text %d", i))
		}
		j.Write(input...)
		for range 2 {
			before := j.Answered()
			j.Hold(10) // requests; the first two have a row each
			cmd := j.Start()
			j.AwaitAnswers(before + 50)
			j.Kill(cmd)
		}
		if n := j.Answered(); n < 100 || n > rows-100 {
			t.Fatalf("%d of %d rows have lines after the kills", n, rows)
		}
		j.Release()
		j.Run(0)
		results := j.RawLines("results.jsonl")
		if n := j.Answered(); n != rows || len(results) != rows {
			t.Fatalf("%d lines of %d rows, want %d", n, len(results), rows)
		}
		for i := range rows {
			checkVectors(t, results[fmt.Sprint("row-", i)], []string{fmt.Sprintf("text %d", i)}, embedderWidth)
		}
	})
}
