package slurm_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	cluster "fluxworker/test/slurm"
)

// inJob makes this test program do one thing as a process of a job, in place of the tests.
const inJob = "FLUXWORKER_TEST_IN_JOB"

func TestMain(m *testing.M) {
	if what := os.Getenv(inJob); what != "" {
		if err := jobDoes[what](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Set("test.parallel", "8") // they mostly wait for SLURM's timers, not for a CPU
	goleak.VerifyTestMain(m)
}

// job is the shell command that does one of jobDoes inside a job and writes to the pipe.
func job(t *testing.T, what string, p *cluster.Pipe) string {
	t.Helper()
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("env %s=%s FLUXWORKER_TEST_PIPE=%s %s", inJob, what, p.Path, self)
}

// report writes a value to the pipe, as one line.
func report(value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(os.Getenv("FLUXWORKER_TEST_PIPE"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(append(line, '\n'))
	return err
}

// read takes what a job has reported.
func read(t *testing.T, p *cluster.Pipe, into any) {
	t.Helper()
	line := p.Line(t)
	if err := json.Unmarshal([]byte(line), into); err != nil {
		t.Fatalf("a job reported %q: %v", line, err)
	}
}

// jobDoes are the things that a process of a job does for a test.
var jobDoes = map[string]func() error{
	"environment": func() error { return report(ofSLURM(os.Environ())) },
}

// ofSLURM keeps the variables that SLURM sets for its jobs.
func ofSLURM(env []string) []string {
	var kept []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "SLURM") || slices.Contains([]string{"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK"}, name) {
			kept = append(kept, kv)
		}
	}
	slices.Sort(kept)
	return kept
}
