package e2e

import (
	"strconv"
	"strings"
)

// checkSummaries demands that the records of two runs add up: of the first, which a signal ended, and the second.
func (j *job) checkSummaries(first summary, rows int) {
	j.t.Helper()
	second := j.summary()
	if first.Complete || second.OK != rows-first.OK || second.Total.OK != rows || second.Total.Attempts != 2 || !second.Complete ||
		second.Total.TokensOut != first.TokensOut+second.TokensOut {
		j.t.Errorf("summaries %+v and %+v", first, second)
	}
	for n, want := range []string{"stopped by a signal", "complete"} {
		var attempt struct{ Outcome string }
		j.read("results.run/attempts/000"+strconv.Itoa(n+1)+".json", &attempt)
		if !strings.HasPrefix(attempt.Outcome, want) {
			j.t.Errorf("attempt %d: %+v; want %q", n+1, attempt, want)
		}
	}
}

type summary struct {
	OK        int  `json:"rows_ok"`
	Complete  bool `json:"complete"`
	TokensOut int  `json:"tokens_out"`
	Total     struct {
		Attempts  int
		OK        int `json:"rows_ok"`
		TokensOut int `json:"tokens_out"`
	} `json:"all_attempts"`
}

func (j *job) summary() (s summary) {
	j.t.Helper()
	j.read("results.run/summary.json", &s)
	return s
}
