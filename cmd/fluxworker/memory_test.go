package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"fluxworker/test/build"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// However many rows there are, each takes the whole process no more than 40 bytes.
func BenchmarkMemoryOfMerge(b *testing.B) {
	const few, many, most = 400_000, 900_000, 40 // the lines of the fewer rows fill the cache of merge --check already
	binary := build.Fluxworker(b)
	each := float64(peakOfMerge(b, binary, many, "", "--check")-peakOfMerge(b, binary, few, "", "--check")) / (many - few)
	if b.ReportMetric(each, "B/row"); each > most {
		b.Errorf("a row takes %.1f bytes, want %d at most", each, most)
	}
}

// Nor does a document grow with its answers, of 1.5 kB each. Even the fewer of them do not fit the cache of their lines.
func BenchmarkMemoryOfDocument(b *testing.B) {
	const few, many, most = 40_000, 80_000, 300
	binary := build.Fluxworker(b)
	answer := strings.Repeat("an answer of some length ", 60)
	for _, format := range []string{"llmflux", "csv"} {
		to := filepath.Join(b.TempDir(), "document")
		peak := func(rows int) int64 { return peakOfMerge(b, binary, rows, answer, "--format", format, "--to", to) }
		each := float64(peak(many)-peak(few)) / (many - few)
		if b.ReportMetric(each, "B/"+format+"-row"); each > most {
			b.Errorf("%s: a row takes %.1f bytes, want %d at most", format, each, most)
		}
	}
}

// peakOfMerge is how many bytes of memory a merge of so many rows in 8 shards takes.
func peakOfMerge(t testing.TB, binary string, rows int, answer string, args ...string) int64 {
	t.Helper()
	const shards = 8
	dir := t.TempDir()
	output := filepath.Join(dir, "out.jsonl")
	var text bytes.Buffer
	for i := range rows {
		fmt.Fprintf(&text, "prompt %d\n", i)
	}
	var lines [shards]bytes.Buffer
	reader := prompt.NewReader(bytes.NewReader(text.Bytes()), prompt.Options{NamesOnly: true, Format: prompt.Text})
	for row, err := reader.Next(); err == nil; row, err = reader.Next() {
		fmt.Fprintf(&lines[row.Index%shards], `{"id":"%s","custom_id":"%s","response":{"status_code":200,"body":{"choices":[{"text":%q}]}},"error":null}`+"\n", row.Key, row.CustomID, answer)
	}
	for shard := range lines {
		paths, err := result.PathsOf(output, result.Shard{Index: shard, Count: shards})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(paths.Results, lines[shard].Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	merge := exec.Command(binary, append([]string{"merge", "--input", "-", "--output", output}, args...)...)
	var report bytes.Buffer
	merge.Stdout, merge.Stderr = &report, &report
	rowsIn, err := merge.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := merge.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := rowsIn.Write(text.Bytes()); err != nil {
		t.Error(err)
	}
	// All but what a pipe holds has been read, and the end has not come. The kernel remembers the peak.
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", merge.Process.Pid))
	if err != nil {
		t.Error(err)
	}
	if err := rowsIn.Close(); err != nil {
		t.Error(err)
	}
	if err := merge.Wait(); err != nil {
		t.Fatalf("merge: %v\n%s", err, &report)
	}
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if peak == nil {
		t.Fatalf("no peak of memory in %s", status)
	}
	kib, err := strconv.ParseInt(string(peak[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
