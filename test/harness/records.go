package harness

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
)

// Read reads a JSON file of the job's.
func (j *Job) Read(name string, into any) {
	j.T.Helper()
	data, err := os.ReadFile(j.Path(name))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		j.T.Fatalf("read %s: %v", name, err)
	}
}

// Manifest holds the part of a run's manifest that the tests read.
type Manifest struct {
	Plan struct {
		Slots   int
		Context int
		Servers []struct {
			GPUs      []string
			Slots     int
			Isolated  bool
			Predicted []struct {
				Name  string
				Bytes int64
			}
			PredictedBytes int64 `json:"predicted_bytes"`
			Loaded         struct {
				Bytes    int64
				GPUBytes int64 `json:"gpu_bytes"`
			}
		}
	}
}

// Manifest reads the manifest of the last run.
func (j *Job) Manifest() (m Manifest) {
	j.T.Helper()
	j.Read("results.run/manifest.json", &m)
	return m
}

// Summary holds the part of a run's summary that the tests read.
type Summary struct {
	OK        int  `json:"rows_ok"`
	Complete  bool `json:"complete"`
	TokensOut int  `json:"tokens_out"`
	Total     struct {
		Attempts  int
		OK        int `json:"rows_ok"`
		TokensOut int `json:"tokens_out"`
	} `json:"all_attempts"`
}

// Summary reads the summary of the last run.
func (j *Job) Summary() (s Summary) {
	j.T.Helper()
	j.Read("results.run/summary.json", &s)
	return s
}

// CheckSummaries demands that the records of two runs add up: the first was ended by a signal, the second came to the end.
func (j *Job) CheckSummaries(first Summary, rows int) {
	j.T.Helper()
	second := j.Summary()
	if first.Complete || second.OK != rows-first.OK || second.Total.OK != rows || second.Total.Attempts != 2 || !second.Complete ||
		second.Total.TokensOut != first.TokensOut+second.TokensOut {
		j.T.Errorf("summaries %+v and %+v", first, second)
	}
	for n, want := range []string{"stopped by a signal", "complete"} {
		var attempt struct{ Outcome string }
		j.Read("results.run/attempts/000"+strconv.Itoa(n+1)+".json", &attempt)
		if !strings.HasPrefix(attempt.Outcome, want) {
			j.T.Errorf("attempt %d: %+v; want %q", n+1, attempt, want)
		}
	}
}
