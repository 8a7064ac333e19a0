package metrics

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/build"
	"fluxworker/worker/record"
)

// begin is the start of the attempt of the tests.
var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// full is a state with all numbers, and with labels that the format must escape.
func full() State {
	var latency record.LatencyHistogram
	for _, d := range []time.Duration{5 * time.Millisecond, time.Second, 1500 * time.Millisecond, 5 * time.Hour} {
		latency.Add(d)
	}
	joules := 7.2e6
	return State{
		Labels:  Labels{Output: "a \"b\"\\c\n\xffé.jsonl", Job: "4711", Array: "3", Shard: "0003-of-0016", Host: "node1"},
		Version: "0.1.0", Model: "llama3.2:3b", Attempt: 2, Rows: 1_234_567_890, Restarts: 1,
		Now: record.Moment{
			At: begin.Add(time.Minute), OK: 12, Failed: 1, TokensIn: 3_000_000_000, TokensCached: 5, TokensOut: 77, InFlight: 5, Slots: 4, Context: 2048,
			GPUs: []record.GPUMoment{
				{UUID: "GPU-a", UsedBytes: 1 << 30, TotalBytes: 80 << 30, Utilisation: new(97.0), Watts: new(312.5)},
				{UUID: "MIG-b", UsedBytes: 1 << 29, TotalBytes: 10 << 30},
			},
		},
		Summary: record.Summary{
			Started: begin, Skipped: 100, Latency: latency.Histogram(),
			GPUs: []record.GPUUse{{UUID: "GPU-a", Joules: &joules}, {UUID: "MIG-b"}},
		},
	}
}

// written returns the content of the file with a state.
func written(t *testing.T, s State) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fluxworker.prom")
	if err := Write(path, s); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestSamples(t *testing.T) {
	t.Parallel()
	common := `output="a \"b\"\\c\n` + "\uFFFD" + `é.jsonl",slurm_job_id="4711",slurm_array_task_id="3",shard="0003-of-0016",host="node1"`
	content := written(t, full())
	for _, want := range []string{
		`info{COMMON,version="0.1.0",model="llama3.2:3b"} 1`,
		`start_time_seconds{COMMON} 1.7723664e+09`,
		`running{COMMON} 1`,
		`rows_expected{COMMON} 1.23456789e+09`,
		`rows_total{COMMON,result="ok"} 12`,
		`rows_total{COMMON,result="failed"} 1`,
		`input_tokens_total{COMMON} 3e+09`,
		`server_restarts_total{COMMON} 1`,
		`row_duration_seconds_bucket{COMMON,le="0.01"} 1`,
		`row_duration_seconds_bucket{COMMON,le="1"} 2`,
		`row_duration_seconds_bucket{COMMON,le="1.8"} 3`,
		`row_duration_seconds_bucket{COMMON,le="10000"} 3`,
		`row_duration_seconds_bucket{COMMON,le="+Inf"} 4`,
		`row_duration_seconds_sum{COMMON} 18002.505`,
		`row_duration_seconds_count{COMMON} 4`,
		`gpu_memory_used_bytes{COMMON,uuid="GPU-a"} 1.073741824e+09`,
		`gpu_memory_used_bytes{COMMON,uuid="MIG-b"} 5.36870912e+08`,
		`gpu_utilization_ratio{COMMON,uuid="GPU-a"} 0.97`,
		`gpu_power_watts{COMMON,uuid="GPU-a"} 312.5`,
		`gpu_energy_joules_total{COMMON,uuid="GPU-a"} 7.2e+06`,
	} {
		if line := "\n" + prefix + strings.Replace(want, "COMMON", common, 1) + "\n"; !strings.Contains(content, line) {
			t.Errorf("no line %s", line)
		}
	}
	// A GPU whose driver does not report a number has no sample of it, and not a sample with 0.
	if n := strings.Count(content, `uuid="MIG-b"`); n != 2 {
		t.Errorf("%d samples of a MIG instance, want 2 of its memory", n)
	}
}

// A state at the very start has neither empty labels nor metrics without a sample.
func TestSamplesOfAStart(t *testing.T) {
	t.Parallel()
	content := written(t, State{Labels: Labels{Output: "out.jsonl"}, Attempt: 1, Now: record.Moment{At: begin}, Summary: record.Summary{Started: begin}})
	for _, no := range []string{`=""`, "slurm", "gpu", "row_duration", "rows_expected"} {
		if strings.Contains(content, no) {
			t.Errorf("%q in\n%s", no, content)
		}
	}
	for _, m := range regexp.MustCompile(`# TYPE (\S+) `).FindAllStringSubmatch(content, -1) {
		if !strings.Contains(content, "\n"+m[1]+"{") {
			t.Errorf("metric %s has no sample", m[1])
		}
	}
}

// promtool returns the path of Prometheus' own checker.
func promtool(t *testing.T) string {
	t.Helper()
	const path = "../../.cache/promtool/promtool"
	if _, err := os.Stat(path); err != nil {
		build.Missing(t, "no promtool: run \"make promtool\": %v", err)
	}
	return path
}

// The program of Prometheus that checks metrics has nothing to complain about.
func TestPromtoolAcceptsTheMetrics(t *testing.T) {
	t.Parallel()
	promtool := promtool(t)
	for name, s := range map[string]State{
		"full":  full(),
		"start": {Labels: Labels{Output: "out.jsonl"}, Attempt: 1, Now: record.Moment{At: begin}, Summary: record.Summary{Started: begin}},
	} {
		content := written(t, s)
		check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		check.Stdin = strings.NewReader(content)
		if out, err := check.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
			t.Errorf("%s: %v\n%s\n%s", name, err, out, content)
		}
	}
}

// The queries of the page can be pasted.
func TestPromtoolAcceptsTheQueries(t *testing.T) {
	t.Parallel()
	queries := panels(t)
	if len(queries) < 10 {
		t.Fatalf("%d queries in the table of panels", len(queries))
	}
	rules := "groups: [{name: panels, rules: [\n"
	for i, q := range queries {
		rules += fmt.Sprintf("{record: 'panel:%d', expr: '%s'},\n", i, q)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules+"]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool(t), "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The first panel counts the rows of a shard once, although the file of a killed job is still there beside that of the next job.
func TestThePanelOfTheRows(t *testing.T) {
	t.Parallel()
	tests := "tests: [{interval: 1m, input_series: [\n"
	for series, value := range map[string]int{
		`rows_total{JOB1,result="ok"}`: 40, `rows_total{JOB1,result="failed"}`: 0, `rows_done_before{JOB1}`: 0, `rows_expected{JOB1}`: 90,
		`rows_total{JOB2,result="ok"}`: 30, `rows_total{JOB2,result="failed"}`: 5, `rows_done_before{JOB2}`: 40, `rows_expected{JOB2}`: 100,
		`rows_total{JOB3,result="ok"}`: 7, `rows_total{JOB3,result="failed"}`: 0, `rows_done_before{JOB3}`: 1, `rows_expected{JOB3}`: 10,
	} {
		series = strings.NewReplacer("JOB1", `output="o",slurm_job_id="1",shard="0000-of-0002"`, "JOB2", `output="o",slurm_job_id="2",shard="0000-of-0002"`,
			"JOB3", `output="o",slurm_job_id="3",shard="0001-of-0002"`).Replace(series)
		tests += fmt.Sprintf("{series: '%s%s', values: '%d'},\n", prefix, series, value)
	}
	tests += "], promql_expr_test: [\n"
	for i, want := range []int{40 + 30 + 5 + 7 + 1, 100 + 10} {
		query := strings.ReplaceAll(panels(t)[i], "$output", "o")
		tests += fmt.Sprintf("{expr: '%s', eval_time: 0s, exp_samples: [{labels: '{}', value: %d}]},\n", query, want)
	}
	file := filepath.Join(t.TempDir(), "tests.yml")
	if err := os.WriteFile(file, []byte(tests+"]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool(t), "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// panels returns the queries of the page's table of panels, in its order.
func panels(t *testing.T) (queries []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "### Panels for Grafana")
	table, _, _ = strings.Cut(table, "\n## ")
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "| ") {
			for _, q := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1) {
				queries = append(queries, q[1])
			}
		}
	}
	return queries
}

// The page describes every metric with its type, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	content := written(t, full())
	inFile, described := map[string]string{}, map[string]string{}
	for _, m := range regexp.MustCompile(`# TYPE (\S+) (\S+)`).FindAllStringSubmatch(content, -1) {
		inFile[m[1]] = m[2]
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(fluxworker_\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(string(page), -1) {
		described[m[1]] = m[2]
	}
	for name, kind := range inFile {
		if described[name] != kind {
			t.Errorf("docs/metrics.md describes %s as %q, want %q", name, described[name], kind)
		}
	}
	for name := range described {
		if inFile[name] == "" {
			t.Errorf("docs/metrics.md describes %s, which no run writes", name)
		}
	}
	for _, name := range regexp.MustCompile(`fluxworker_\w+`).FindAllString(string(page), -1) {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if inFile[name] == "" && inFile[base] != histogram {
			t.Errorf("docs/metrics.md has %s in a query, which no run writes", name)
		}
	}
}

// The node exporter is another user, and reads while a run writes.
func TestWriteReplacesAFileForEveryone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fluxworker.prom")
	before := syscall.Umask(0o077)
	defer syscall.Umask(before)
	if err := Write(path, full()); err != nil {
		t.Fatal(err)
	}
	old, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := Write(path, State{}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v; want 0644", info.Mode(), err)
	}
	var content bytes.Buffer
	if _, err := content.ReadFrom(old); err != nil || !strings.Contains(content.String(), "llama3.2:3b") {
		t.Errorf("a reader of the old file lost it: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%v remain beside the file", left)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	old := filepath.Join(dir, "old.prom")
	if err := Write(old, full()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		old:                                    "",
		filepath.Join(dir, "new.prom"):         "",
		file("empty", ""):                      "",
		file("prompts.jsonl", `{"prompt":""}`): "it holds no metrics of fluxworker",
		file("other.prom", "# HELP node_x\n"):  "it holds no metrics of fluxworker",
		dir:                                    "it is a folder",
		filepath.Join(dir, "no", "new.prom"):   "make the folder",
		"/dev/null":                            "it is a device",
	} {
		err := Check(path)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("%v remain", left)
	}
}
