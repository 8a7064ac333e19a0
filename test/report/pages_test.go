package report

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/harness"
	"fluxworker/test/outputs"
)

// pages are the pages that the browser opens, each in a folder of its name.
func pages() map[string]func(*testing.T, string) {
	return map[string]func(*testing.T, string){
		"run":      ofARun,
		"resumed":  ofAResumedRun,
		"shards":   ofShards,
		"failures": ofFailures,
		"many":     of(outputs.Output{Rows: 100_000, Attempts: 3, GPUs: 2, FailEvery: 999, CutEvery: 77, Text: func(i int) (string, string) { return fmt.Sprint("prompt ", i), strings.Repeat("answer ", i%60) }}),
		"hostile": of(outputs.Output{Rows: len(outputs.Hostile()), FailEvery: 3, CutEvery: 4,
			Text: func(i int) (string, string) { return outputs.Hostile()[i], outputs.Hostile()[i] },
			Name: func(i int) string { return fmt.Sprint(i, outputs.Hostile()[i]) }}),
		"array":  of(outputs.Output{Rows: 640, Shards: 64, Attempts: 2, GPUs: 1}),
		"notext": of(outputs.Output{Rows: 60, GPUs: 1, FailEvery: 7}, "--no-text"),
		"empty":  of(outputs.Output{}),
	}
}

// Each page is valid HTML that hinders no reader, in light and dark, wide and narrow, and on paper: no error, no request, no script,
// and no text over another.
func TestPagesInABrowser(t *testing.T) {
	b := needBrowser(t)
	var names, paths []string
	dir := t.TempDir()
	for name, write := range pages() {
		path := filepath.Join(dir, name, "results-report.html")
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path)
		names, paths = append(names, name), append(paths, path)
	}
	findings := b.look(t, paths)
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			found, looked := findings[paths[i]]
			if !looked {
				t.Error("the browser did not open the page")
			}
			for _, f := range found {
				t.Error(f)
			}
		})
	}
}

// The check finds each of the faults in a page that has them all.
func TestTheBrowserFindsFaults(t *testing.T) {
	b := needBrowser(t)
	path := filepath.Join(t.TempDir(), "page.html")
	page := `<!DOCTYPE html>
<html lang="en"><head><title>x</title><meta name="viewport" content="width=device-width, initial-scale=1">
<script>window.pwned = 1; console.log("said")</script><link rel="stylesheet" href="http://127.0.0.1:9/x.css"></head>
<body><header><p style="color:#ccc;background:#fff">pale</p></header>
<main><section><div>one</div><div style="margin-top:-1em">two</div>
<svg class="chart" viewBox="0 0 440 100" role="img"><title>t</title><text x="10" y="20">first</text><text x="14" y="20">second</text></svg>
<div style="width:1500px">wide</div></section></main><blink>x</blink></body></html>
`
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	found := strings.Join(b.look(t, []string{path})[path], "\n")
	for _, want := range []string{
		"html-validate:", "console: said", "request: http://127.0.0.1:9/x.css", "a script of a row ran", "the texts first and second touch",
		"lie over each other", "the page is 1", "axe, serious: Elements must meet minimum color contrast ratio thresholds",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("no finding has %q:\n%s", want, found)
		}
	}
}

// report runs the command on the output of a folder.
func report(t *testing.T, binary, output, to string, flags ...string) {
	t.Helper()
	out, err := exec.Command(binary, append([]string{"report", "--output", output, "--to", to}, flags...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("report: %v: %s", err, out)
	}
}

// of returns the page of a written output.
func of(o outputs.Output, flags ...string) func(*testing.T, string) {
	return func(t *testing.T, to string) {
		output, _, err := o.Write(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		report(t, harness.New(t).Binary, output, to, flags...)
	}
}

// job returns a job with a stand-in server.
func job(t *testing.T) *harness.Job {
	t.Helper()
	j := harness.New(t, "--log-level", "error", "--max-restarts", "100")
	j.UseStandIn()
	j.WriteRows(120)
	return j
}

// place moves the page that a run has written to its place.
func place(t *testing.T, j *harness.Job, to string) {
	t.Helper()
	if err := os.Rename(j.Path("results-report.html"), to); err != nil {
		t.Fatal(err)
	}
}

func ofARun(t *testing.T, to string) {
	j := job(t)
	j.Run(0, "--report")
	place(t, j, to)
}

func ofAResumedRun(t *testing.T, to string) {
	j := job(t)
	j.Kill(j.StartAndHold(30))
	j.Kill(j.StartAndHold(30))
	j.Release()
	j.Run(0, "--report")
	place(t, j, to)
	page, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(page); strings.Count(text, `"outcome killed"`) != 2 || !strings.Contains(text, "120 rows are answered and no row failed") {
		t.Error("the page lacks a killed attempt, or rows")
	}
}

func ofShards(t *testing.T, to string) {
	j := job(t)
	for i := range 4 {
		j.Run(0, "--report", "--shard", fmt.Sprintf("%d/4", i))
	}
	place(t, j, to)
}

func ofFailures(t *testing.T, to string) {
	j := job(t)
	j.Write(`{"custom_id":"good","prompt":"x 3"}`, `{"custom_id":"number","prompt":5}`, `{"custom_id":"good","prompt":"x 4"}`, `not JSON`,
		`{"custom_id":"long","prompt":"`+strings.Repeat("word ", 4000)+`"}`, `{"custom_id":"cut","prompt":"x 0","max_tokens":2}`)
	j.Run(3, "--report")
	place(t, j, to)
}
