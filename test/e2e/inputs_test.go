package e2e

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checkTexts demands that a file has the answer to each of these prompts under its custom_id, and no others.
func (j *job) checkTexts(name string, prompts map[string]string) {
	j.t.Helper()
	got := j.lines(name)
	if len(got) != len(prompts) {
		j.t.Errorf("%s: %d rows answered, want %d", name, len(got), len(prompts))
	}
	for id, prompt := range prompts {
		l, ok := got[id]
		switch {
		case !ok:
			j.t.Errorf("%s has no line", id)
		case l.Response.Body.Choices[0].Message.Content != answerTo(prompt):
			j.t.Errorf("%s: %q, want %q", id, l.Response.Body.Choices[0].Message.Content, answerTo(prompt))
		}
	}
}

// The rows of a table are answered, killed in the middle or not, each to what its template made of its cells; a quote that
// goes wrong costs its own row alone.
func TestTables(t *testing.T) {
	const rows = 300
	eachEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g, "--input", "papers.csv", "--id-column", "doi", "--prompt-template", `{{.title}}: {{index . "full text"}}`)
		prompts := make(map[string]string)
		var b strings.Builder
		b.WriteString("\ufeff")
		table := csv.NewWriter(&b)
		table.UseCRLF = true
		table.Write([]string{"doi", "title", "full text"})
		for i := range rows {
			id, text := fmt.Sprintf("10.1000/%d", i), "two\nlines, \"quoted\", "+promptOf(i)
			table.Write([]string{id, "A, b", text})
			prompts[id] = text
			if i == rows/2 {
				table.Flush()
				b.WriteString("10.1000/bad,\"A quote that nobody closes,x\r\n")
			}
		}
		table.Flush()
		if err := os.WriteFile(j.path("papers.csv"), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := j.start()
		j.await("answers", func() bool { return j.answered() >= 50 })
		cmd.Process.Kill()
		j.wait(cmd, -1)
		j.await("the server's end", func() bool { return len(j.processes()) == 0 })
		j.run(3)
		j.checkTexts("results.jsonl", prompts)
		// Two lines for each row that is before it, and one for the header.
		bad := fmt.Sprintf("row-%d", 2+2*(rows/2+1))
		failed := j.lines("results-errors.jsonl")
		if l := failed[bad]; len(failed) != 1 || l.Error == nil || l.Error.Code != "invalid_csv_row" || !strings.Contains(l.Error.Message, "the row at papers.csv:"+bad[len("row-"):]) {
			t.Errorf("%+v, want the error invalid_csv_row for %s alone", failed, bad)
		}
		j.run(3, "--ollama", "/nonexistent/ollama")
	})
}

// The files of a folder are answered under their paths, a part in each of two shards.
func TestFolders(t *testing.T) {
	const rows = 40
	eachEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g, "--input", "letters")
		prompts := make(map[string]string)
		for i := range rows {
			id := fmt.Sprintf("%d/letter %d.txt", i%3, i)
			prompts[id] = promptOf(i)
			path := filepath.Join(j.path("letters"), id)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("Dear reader,\n\n"+promptOf(i)+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		j.run(0, "--shard", "0/2")
		j.run(0, "--shard", "1/2")
		j.args = []string{"merge", "--input", "letters", "--output", "results.jsonl"}
		j.run(0)
		j.checkTexts("results.jsonl", prompts)
	})
}
