package report

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"fluxworker/test/outputs"
	"fluxworker/worker/outcome"
	"fluxworker/worker/result"
)

// written writes an output and its report, and returns the page.
func written(t *testing.T, o outputs.Output, change func(*Config)) string {
	t.Helper()
	output, _, err := o.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Output: output, Show: 5, Seed: 1, Version: "1.2.3"}
	if change != nil {
		change(&c)
	}
	return page1(t, c)
}

// page1 writes a report and returns the page.
func page1(t *testing.T, c Config) string {
	t.Helper()
	path, err := Write(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func needs(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, html.EscapeString(text)) {
			t.Errorf("the page does not have %q", text)
		}
	}
}

func needsNot(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if i := strings.Index(page, text); i >= 0 {
			t.Errorf("the page has %q: …%s…", text, page[max(0, i-80):min(len(page), i+80)])
		}
	}
}

// A run that was killed and resumed has both attempts, the marks of their events, and the numbers of all lines.
func TestAResumedRun(t *testing.T) {
	t.Parallel()
	page := written(t, outputs.Output{Rows: 300, Attempts: 2, GPUs: 1, FailEvery: 50, CutEvery: 20}, nil)
	needs(t, page, "294 rows are answered and 6 failed, after 50 min in 2 attempts, at ", " kWh for the GPUs.",
		"run started again (1)", "server restarted (1)", "drain (1)", "server 0 was lost: signal: killed",
		"killed", "complete", "1201_0", "1202_0", "attempt 1", "attempt 2",
		"context_length_exceeded", "the row row-000049 cannot be asked", "line 50",
		"NVIDIA H100 80GB HBM3", "measured after loading", "Utilisation", "Power",
		"Latency: from the request to the answer", "Tokens of a prompt", "Tokens of an answer", "KV cache", "32 slots of 4096 tokens, f16", "llama3.2:3b", "fluxworker 1.2.3")
}

// All shards of an output are in one report.
func TestShards(t *testing.T) {
	t.Parallel()
	page := written(t, outputs.Output{Rows: 400, Shards: 4, GPUs: 2}, nil)
	needs(t, page, "400 rows are answered and no row failed", "4 attempts", "0000-of-0004", "0003-of-0004", "1201_3", "The servers are those of the shard that started last.")
	if n := strings.Count(page, ">Memory</h3>"); n != maxGPUs {
		t.Errorf("memory of %d GPUs, want %d", n, maxGPUs)
	}
}

// The lines of a merge alone give a report with what is there.
func TestLinesWithoutRecords(t *testing.T) {
	t.Parallel()
	output, in, err := outputs.Output{Rows: 40}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(strings.TrimSuffix(output, ".jsonl") + ".run"); err != nil {
		t.Fatal(err)
	}
	page := page1(t, Config{Output: output, Show: 3})
	needs(t, page, "40 rows are answered and no row failed.", "no records of its runs", "Name the input with --input.", "The prompt is not there.")
	needsNot(t, page, "Over time", "Attempts", "Settings")
	page = page1(t, Config{Output: output, Show: 3, Inputs: []string{in}})
	needs(t, page, "Answer in a few words.", "Sum up report ")
}

// A damaged manifest, or damaged moments, make a note and no error.
func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	output, _, err := outputs.Output{Rows: 20}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	run := strings.TrimSuffix(output, ".jsonl") + ".run"
	for name, content := range map[string]string{"manifest.json": "{", "series.jsonl": "{\n\x00\n"} {
		if err := os.WriteFile(filepath.Join(run, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(output, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("no line\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	needs(t, page1(t, Config{Output: output}), "manifest.json: the record is damaged", "1 line of the output cannot be read", "20 rows are answered")
}

// The sample is the same for the same seed, in whatever order the lines are, and another for another seed.
func TestTheSampleFollowsFromTheSeed(t *testing.T) {
	t.Parallel()
	output, _, err := outputs.Output{Rows: 500}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`<h4><bdi>(row-\d+)`)
	sample := func(seed uint64) string {
		page := page1(t, Config{Output: output, Show: 12, Seed: seed})
		_, page, _ = strings.Cut(page, `<section id="sample">`)
		page, _, _ = strings.Cut(page, `<section id="longest">`)
		return strings.Join(names.FindAllString(page, -1), " ")
	}
	first := sample(7)
	if n := strings.Count(first, "row-"); n != 12 {
		t.Fatalf("%d rows: %s", n, first)
	}
	if sample(8) == first {
		t.Error("another seed gives the same sample")
	}
	data, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	var turned strings.Builder
	for i := range lines {
		turned.WriteString(lines[len(lines)-1-i])
	}
	if err := os.WriteFile(output, []byte(turned.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := sample(7); again != first {
		t.Errorf("the sample depends on the order of the lines:\n%s\n%s", first, again)
	}
}

// A page of 100,000 rows is as large as that of 2,000, and the report holds no rows in memory.
func TestManyRows(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 60 MB")
	}
	o := outputs.Output{Rows: 2000, Attempts: 2, GPUs: 4, FailEvery: 200, CutEvery: 100, Text: func(i int) (string, string) {
		return fmt.Sprint("prompt ", i), strings.Repeat("answer ", i%40)
	}}
	small := len(written(t, o, nil))
	o.Rows = 100_000
	output, _, err := o.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() { // the largest heap while the report is written
		most := uint64(0)
		for {
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(5 * time.Millisecond):
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
	}()
	large := len(page1(t, Config{Output: output, Show: 5, Seed: 1}))
	close(stop)
	if most := int64(<-peak) - int64(before.HeapAlloc); most > 64<<20 {
		t.Errorf("the report took %d MiB", most>>20)
	}
	if large > small+small/4 || large > 400<<10 {
		t.Errorf("the page has %d bytes, that of few rows %d", large, small)
	}
}

// Long answers and prompts are cut, with a note of what is left out.
func TestLongTextsAreCut(t *testing.T) {
	t.Parallel()
	page := written(t, outputs.Output{Rows: 3, Text: func(i int) (string, string) { return strings.Repeat("日", 2<<20), strings.Repeat("é", 5<<20/2) }}, nil)
	needs(t, page, "… (2,619,392 more characters)", "more characters)")
	if len(page) > 250<<10 {
		t.Errorf("the page has %d bytes", len(page))
	}
}

// Without an answer line, a report is still written; without an output, it is an error of the input.
func TestNoRowsAndNoOutput(t *testing.T) {
	t.Parallel()
	needs(t, written(t, outputs.Output{}, nil), "0 rows are answered and no row failed")
	_, err := Write(t.Context(), Config{Output: filepath.Join(t.TempDir(), "none.jsonl")})
	if _, ok := errors.AsType[*outcome.InputError](err); !ok || !errors.Is(err, result.ErrNoOutput) {
		t.Errorf("no output: %v", err)
	}
}

// A report replaces a report, and no other file, and is private unless it holds no texts.
func TestTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	output, _, err := outputs.Output{Rows: 5}.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Output: output, Show: 1}
	for _, private := range []bool{true, false, true} {
		c.NoText = !private
		page1(t, c)
		info, err := os.Stat(filepath.Join(dir, "results-report.html"))
		if err != nil {
			t.Fatal(err)
		}
		if private && info.Mode().Perm()&0o077 != 0 { // the script of report shows the other mode, which the umask decides
			t.Errorf("mode %v with texts", info.Mode())
		}
	}
	c.To = filepath.Join(dir, "notes.html")
	if err := os.WriteFile(c.To, []byte("<!DOCTYPE html>\nmine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Write(t.Context(), c)
	if _, ok := errors.AsType[*outcome.ConfigError](err); !ok || !strings.Contains(err.Error(), "notes.html exists and is not a report; name another file with --to") {
		t.Errorf("another file: %v", err)
	}
	c.To = output
	if _, err := Write(t.Context(), c); err == nil {
		t.Error("a report replaced the results")
	}
	if err := os.Truncate(output, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(t.Context(), c); err == nil {
		t.Error("a report replaced the results of a run that has no answer yet")
	}
	c.To = filepath.Join(dir, "nowhere", "report.html")
	_, err = Write(t.Context(), c)
	if write, ok := errors.AsType[*result.WriteError](err); !ok || !errors.Is(write, fs.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".new") {
			t.Errorf("a draft is left: %s", e.Name())
		}
	}
}

// The end of the context ends a report at once, however long the results are, and leaves the old one.
func TestAReportIsGivenUp(t *testing.T) {
	t.Parallel()
	output, _, err := outputs.Output{Rows: 5}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(output, 1<<40); err != nil { // hours of reading
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Write(ctx, Config{Output: output}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(FileOf(output)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a report: %v", err)
	}
}

// The marks in the pictures of a GPU are those of the shards that have this GPU.
func TestMarksOfAGPUAreThoseOfItsShards(t *testing.T) {
	t.Parallel()
	page := written(t, outputs.Output{Rows: 40, Shards: 4, Attempts: 2, GPUs: 1}, nil)
	_, gpu, _ := strings.Cut(page, `<h3 class="gpu">`)
	gpu, _, _ = strings.Cut(gpu, `<h3 class="gpu">`)
	memory, _, _ := strings.Cut(gpu, "</figure>")
	if n := strings.Count(memory, `<g class="mark restart">`); n != 1 {
		t.Errorf("%d marks of a restart in the picture of one GPU, want 1", n)
	}
	rows, _, _ := strings.Cut(page, "</figure>")
	if n := strings.Count(rows, `<g class="mark restart">`); n != 4 {
		t.Errorf("%d marks of a restart in the picture of all shards, want 4", n)
	}
}

// Quantiles of few numbers are numbers that occur, and the largest is never left out.
func TestDistributionOfFewNumbers(t *testing.T) {
	t.Parallel()
	var d distribution
	for _, v := range []int64{2, 33, maxTokens + 5, -1} {
		d.add(v)
	}
	if a, b, c := d.quantile(0.5), d.quantile(0.95), d.quantile(1); a != 2 || b != maxTokens || c != maxTokens {
		t.Errorf("quantiles %d, %d, %d", a, b, c)
	}
	edges, counts := d.buckets()
	sum := int64(0)
	for _, n := range counts {
		sum += n
	}
	if sum != 4 || len(edges) != len(counts)+1 || len(counts) > mostBuckets+1 {
		t.Errorf("%d rows in buckets %v of %v", sum, counts, edges)
	}
}
