package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/outputs"
)

// The page shows the prompt of each form of a row, beside other members of the row, and however deep a row is nested.
func TestPromptsOfEachForm(t *testing.T) {
	t.Parallel()
	output, in, err := outputs.Output{Rows: 6}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	deep := strings.Repeat("[", 9000) + `"` + strings.Repeat("deep ", 1<<18) + `"` + strings.Repeat("]", 9000)
	rows := []string{
		`{"custom_id":"row-000000","prompt":"the plain question","metadata":{"source":"the first list"}}`,
		`{"custom_id":"row-000001","messages":[{"role":"user","content":[{"type":"text","text":"the chat question"}]}],"metadata":{"source":"x"}}`,
		`{"custom_id":"row-000002","body":{"messages":[{"role":"user","content":"the batch question"}]},"metadata":{"source":"x"}}`,
		`{"custom_id":"row-000003","body":{"input":[{"role":"user","content":[{"type":"input_text","text":"the question of a response"}]}]}}`,
		`{"custom_id":"row-000004","title":"the cell of a column","metadata":{"source":"the last list"}}`,
		`{"custom_id":"row-000005","prompt":` + deep + `}`,
	}
	if err := os.WriteFile(in, []byte(strings.Join(rows, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	page := page1(t, Config{Output: output, Show: 6})
	needs(t, page, "the plain question", "the chat question", "the batch question", "the question of a response", "the cell of a column", "the last list", "more characters)")
	needsNot(t, page, "the first list", "The prompt is not there.")
}

// Shards may have inputs of their own. The page says that the input of a shard is missing, as long as a prompt is.
func TestAnInputOfAShardIsMissing(t *testing.T) {
	t.Parallel()
	output, in, err := outputs.Output{Rows: 4, Shards: 2}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	editRecords(t, filepath.Join(strings.TrimSuffix(output, ".jsonl")+".run", "0000-of-0002"), "prompts.jsonl", "gone.jsonl")
	needsNot(t, page1(t, Config{Output: output, Show: 4}), "is not there")
	rows, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(rows), "\n")
	if err := os.WriteFile(in, []byte(first+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	needs(t, page1(t, Config{Output: output, Show: 4}), "gone.jsonl is not there any more. Name the input with --input.", "The prompt is not there.", "Sum up report 0")
}

// editRecords replaces a text in the records of a run folder.
func editRecords(t *testing.T, dir, before, after string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no records in ", dir, err)
	}
	more, _ := filepath.Glob(filepath.Join(dir, "attempts", "*.json"))
	for _, file := range append(files, more...) {
		data, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, []byte(strings.ReplaceAll(string(data), before, after)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
