package report

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fluxworker/test/outputs"
)

// Two shards that use one GPU one after the other do not double its memory, but its time and its energy.
func TestShardsOnOneGPU(t *testing.T) {
	t.Parallel()
	output, _, err := outputs.Output{Rows: 40, Shards: 2, GPUs: 1}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	before := gpuTable(page1(t, Config{Output: output}))
	editRecords(t, filepath.Join(strings.TrimSuffix(output, ".jsonl")+".run", "0001-of-0002"), "GPU-00000001", "GPU-00000000")
	got := gpuTable(page1(t, Config{Output: output}))
	if len(before) != 2 || len(got) != 1 || strings.Join(got[0], "|") != "50 min|87 %|21 GiB|20 GiB|22 GiB|342 Wh" {
		t.Errorf("two GPUs: %q, one GPU: %q", before, got)
	}
}

// The table names each critical error of a GPU once, however often and in how many attempts the driver reported it.
func TestErrorsOfAGPU(t *testing.T) {
	t.Parallel()
	output, _, err := outputs.Output{Rows: 20, Attempts: 2, GPUs: 1}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	editRecords(t, strings.TrimSuffix(output, ".jsonl")+".run", `"peak_memory_bytes"`, `"xids": [31, 43, 31], "peak_memory_bytes"`)
	if got := gpuTable(page1(t, Config{Output: output})); len(got) != 1 || got[0][len(got[0])-1] != "XID 31, XID 43" {
		t.Errorf("got %q", got)
	}
}

// gpuTable returns the cells of the table of GPUs, without its names and without empty cells.
func gpuTable(page string) (rows [][]string) {
	_, page, _ = strings.Cut(page, `<section id="gpus">`)
	page, _, _ = strings.Cut(page, "</table>")
	for _, line := range strings.Split(page, "\n") {
		if !strings.HasPrefix(line, "<tr><th scope=\"row\">") {
			continue
		}
		var cells []string
		for _, m := range regexp.MustCompile(`<td[^>]*>([^<]+)</td>`).FindAllStringSubmatch(line, -1) {
			cells = append(cells, m[1])
		}
		rows = append(rows, cells)
	}
	return rows
}

// The sum of the tokens has all of a row's tokens, and a row with several answers is cut if any of them is.
func TestNumbersOfLines(t *testing.T) {
	t.Parallel()
	output, _, err := outputs.Output{Rows: 1}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	line := `{"id":"batch_req_` + strings.Repeat("0", 32) + `","custom_id":"a","response":{"status_code":200,"body":{"choices":[` +
		`{"message":{"content":"one"},"finish_reason":"stop"},{"message":{"content":"two"},"finish_reason":"length"}],` +
		`"usage":{"prompt_tokens":3000000,"completion_tokens":2500000}}},"error":null}` + "\n"
	if err := os.WriteFile(output, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	needs(t, page1(t, Config{Output: output}), "largest 3,000,000, mean 3M.", "largest 2,500,000, mean 2.5M.", "Answers that were cut")
}

// An output with more attempts and events than a page shows has a page, which shows the last attempts and says what it lacks.
func TestManyAttempts(t *testing.T) {
	t.Parallel()
	page := written(t, outputs.Output{Rows: 2010, Attempts: 201}, nil)
	needs(t, page, "The picture lacks 153 earlier attempts.", "The table lacks 1 earlier attempt.", "attempt 154 on node1", "attempt 201 on node1",
		"A picture marks the first 60 of the 401 events, and the list has the first 100.")
	needsNot(t, page, "attempt 153 on node1")
	needs(t, written(t, outputs.Output{Rows: 49, Shards: 49}, nil), "The picture lacks 1 shard.")
}
