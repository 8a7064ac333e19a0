package gpu

import (
	"fmt"
	"testing"

	"fluxworker/test/harness"
)

// newJob makes a job whose model is a GGUF file, with these flags.
func newJob(t *testing.T, g harness.Generation, file string, args ...string) *harness.Job {
	t.Helper()
	j := harness.New(t)
	j.Args = append([]string{"run", "--gguf", file, "--input", "prompts.jsonl", "--output", "results.jsonl", "--deadline", "none",
		"--ollama", "'" + g.Ollama + "'", "--temperature", "1"}, args...)
	j.Env = append(j.Env, "HOME="+j.Path("home"), "OLLAMA_MODELS="+j.Path("nowhere"))
	return j
}

// onOneCPU makes the job one with one CPU: the threads of ggml wait for each other by spinning, also where the machine has other
// work.
func onOneCPU(j *harness.Job) { j.Env = append(j.Env, "SLURM_JOB_ID=1", "SLURM_CPUS_PER_TASK=1") }

// writeRows makes the input of n rows, each with a prompt of so many tokens and with another beginning: a server that keeps the
// common beginning of prompts has no advantage. The synthetic models have a token for each byte.
func writeRows(j *harness.Job, n, tokens int) {
	j.T.Helper()
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"custom_id":"row-%d","prompt":"%0*d"}`, i, -tokens, i*7919+1)
	}
	j.Write(rows...)
}

// served is the part of a manifest that says what a server was planned with, and what it took.
type served struct {
	Slots          int
	Isolated       bool
	PredictedBytes int64   `json:"predicted_bytes"`
	MeasuredBytes  []int64 `json:"measured_bytes"`
	Loaded         struct {
		Bytes    int64
		GPUBytes int64 `json:"gpu_bytes"`
	}
}

// serverOf reads the only server of the job's last run.
func serverOf(j *harness.Job) served {
	j.T.Helper()
	var m struct{ Plan struct{ Servers []served } }
	j.Read("results.run/manifest.json", &m)
	if len(m.Plan.Servers) != 1 {
		j.T.Fatalf("%d servers in the manifest, want 1", len(m.Plan.Servers))
	}
	return m.Plan.Servers[0]
}

// summary is the part of a summary that the tests read.
type summary struct {
	OK         int     `json:"rows_ok"`
	AskSeconds float64 `json:"ask_seconds"`
	TokensOut  int     `json:"tokens_out"`
	GPUs       []struct {
		Peak int64 `json:"peak_memory_bytes"`
	}
}

// summaryOf reads the summary of the job's last run, and demands that all rows were answered.
func summaryOf(j *harness.Job, rows int) (s summary) {
	j.T.Helper()
	j.Read("results.run/summary.json", &s)
	if s.OK != rows {
		j.T.Errorf("%d rows answered, want %d", s.OK, rows)
	}
	return s
}
