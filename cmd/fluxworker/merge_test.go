package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// However many rows there are, each takes the whole process no more than 40 bytes.
func TestMergeIsSmall(t *testing.T) {
	const few, many, most = 100_000, 600_000, 40
	binary := filepath.Join(t.TempDir(), "fluxworker") // the race detector, which this test may run under, takes memory of its own
	build := exec.Command("go", "build", "-trimpath", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	each := float64(peakOfMerge(t, binary, many)-peakOfMerge(t, binary, few)) / (many - few)
	if t.Logf("%.1f bytes a row", each); each > most {
		t.Errorf("a row takes %.1f bytes, want %d at most", each, most)
	}
}

// peakOfMerge is how many bytes of memory it takes to check so many rows in 8 shards.
func peakOfMerge(t *testing.T, binary string, rows int) int64 {
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
		fmt.Fprintf(&lines[row.Index%shards], `{"id":"%s","custom_id":"%s","response":{"status_code":200},"error":null}`+"\n", row.Key, row.CustomID)
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
	merge := exec.Command(binary, "merge", "--input", "-", "--output", output, "--check")
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
