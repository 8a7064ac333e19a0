package engines

import (
	"encoding/csv"
	"fluxworker/test/harness"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checkTexts demands that a file has the answer to each of these prompts under its custom_id, and no others.
func checkTexts(j *harness.Job, name string, prompts map[string]string) {
	j.T.Helper()
	got := j.Lines(name)
	if len(got) != len(prompts) {
		j.T.Errorf("%s: %d rows answered, want %d", name, len(got), len(prompts))
	}
	for id, prompt := range prompts {
		l, ok := got[id]
		switch {
		case !ok:
			j.T.Errorf("%s has no line", id)
		case l.Response.Body.Choices[0].Message.Content != harness.AnswerTo(prompt):
			j.T.Errorf("%s: %q, want %q", id, l.Response.Body.Choices[0].Message.Content, harness.AnswerTo(prompt))
		}
	}
}

// The rows of a table are answered, killed in the middle or not, each to what its template made of its cells; a quote that
// goes wrong costs its own row alone.
func TestTables(t *testing.T) {
	const rows = 300
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--input", "papers.csv", "--id-column", "doi", "--prompt-template", `{{.title}}: {{index . "full text"}}`)
		prompts := make(map[string]string)
		var b strings.Builder
		b.WriteString("\ufeff")
		table := csv.NewWriter(&b)
		table.UseCRLF = true
		table.Write([]string{"doi", "title", "full text"})
		for i := range rows {
			id, text := fmt.Sprintf("10.1000/%d", i), "two\nlines, \"quoted\", "+harness.PromptOf(i)
			table.Write([]string{id, "A, b", text})
			prompts[id] = text
			if i == rows/2 {
				table.Flush()
				b.WriteString("10.1000/bad,\"A quote that nobody closes,x\r\n")
			}
		}
		table.Flush()
		if err := os.WriteFile(j.Path("papers.csv"), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := j.Start()
		j.AwaitAnswers(50)
		j.Kill(cmd)
		j.Run(3)
		checkTexts(j, "results.jsonl", prompts)
		// Two lines for each row that is before it, and one for the header.
		bad := fmt.Sprintf("row-%d", 2+2*(rows/2+1))
		failed := j.Lines("results-errors.jsonl")
		if l := failed[bad]; len(failed) != 1 || l.Error == nil || l.Error.Code != "invalid_csv_row" || !strings.Contains(l.Error.Message, "the row at papers.csv:"+bad[len("row-"):]) {
			t.Errorf("%+v, want the error invalid_csv_row for %s alone", failed, bad)
		}
		j.Run(3, "--ollama", "/nonexistent/ollama")
	})
}

// The files of a folder are answered under their paths, a part in each of two shards.
func TestFolders(t *testing.T) {
	const rows = 40
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--input", "letters")
		prompts := make(map[string]string)
		for i := range rows {
			id := fmt.Sprintf("%d/letter %d.txt", i%3, i)
			prompts[id] = harness.PromptOf(i)
			path := filepath.Join(j.Path("letters"), id)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("Dear reader,\n\n"+harness.PromptOf(i)+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		j.Run(0, "--shard", "0/2")
		j.Run(0, "--shard", "1/2")
		j.Args = []string{"merge", "--input", "letters", "--output", "results.jsonl"}
		j.Run(0)
		checkTexts(j, "results.jsonl", prompts)
	})
}
