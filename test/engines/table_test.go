package engines

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"fluxworker/test/harness"
)

// A table comes back with the fields of a schema as columns: joined by its id, it is the input row for row.
func TestTableToTable(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		const rows = 30
		j := g.NewJob(t)
		table := [][]string{{"id", "letter", "remark"}}
		for i := range rows {
			table = append(table, []string{fmt.Sprint("paper ", i), string(rune('a' + i%20)), strings.Repeat("one, \"two\"\n", i%3)})
		}
		var text strings.Builder
		if err := csv.NewWriter(&text).WriteAll(table); err != nil {
			t.Fatal(err)
		}
		const schema = `{"type":"object","properties":{"kind":{"enum":["x","yy"]},"sure":{"type":"boolean"}},"required":["kind","sure"],"additionalProperties":false}`
		for name, content := range map[string]string{"papers.csv": text.String(), "schema.json": schema} {
			if err := os.WriteFile(j.Path(name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		j.Args = append(j.Args, "--input", "papers.csv", "--id-column", "id", "--prompt-template", "Which? {{.letter}}", "--json-schema", "schema.json", "--output", "facts.csv")
		j.Run(0)
		file, err := os.Open(j.Path("facts.csv"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		got, err := csv.NewReader(file).ReadAll()
		if err != nil || len(got) != len(table) {
			t.Fatalf("%d lines, %v; want %d", len(got), err, len(table))
		}
		if want := append(slices.Clone(table[0]), "answer", "kind", "sure", "finish_reason", "prompt_tokens", "completion_tokens", "error"); !slices.Equal(got[0], want) {
			t.Errorf("the columns are %q, want %q", got[0], want)
		}
		for i, line := range got[1:] {
			var answer struct {
				Kind string
				Sure bool
			}
			if err := json.Unmarshal([]byte(line[3]), &answer); err != nil || !slices.Equal(line[:3], table[i+1]) {
				t.Errorf("line %d: %q, %v; want %q", i, line, err, table[i+1])
			}
			if line[4] != answer.Kind || line[5] != fmt.Sprint(answer.Sure) || line[6] != "stop" || line[9] != "" {
				t.Errorf("line %d: %q", i, line)
			}
		}
	})
}
