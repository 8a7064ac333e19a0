package worker

import (
	"slices"
	"strings"
	"testing"

	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// seriesOf returns the events of the series of a run with their details, and its last moment.
func seriesOf(t *testing.T, c Config) (events []string, last record.Moment) {
	t.Helper()
	paths, err := result.PathsOf(c.Output, result.Shard{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := record.ReadSeries(paths)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.Event != "" {
			events = append(events, strings.TrimSpace(string(m.Event)+" "+m.Detail))
		}
		last = m
	}
	return events, last
}

// The series of a run has its events, and ends with the numbers of the summary.
func TestSeriesOfARunWithARestart(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 100, "--fault", "exit@60")
	c.MaxRestarts = 3
	s, err := runOnce(t, t.Context(), c, nil)
	if err != nil || s.OK != 100 {
		t.Fatalf("summary %+v, %v; want 100 rows", s, err)
	}
	events, last := seriesOf(t, c)
	if want := []string{"start", "serving servers: 1", "restart server 1", "end"}; !slices.Equal(events, want) {
		t.Errorf("events %q, want %q", events, want)
	}
	if last.OK != s.OK || last.Failed != s.Failed || last.TokensIn != s.TokensIn || last.TokensOut != s.TokensOut || last.InFlight != 0 || last.Slots != 0 {
		t.Errorf("the last moment is %+v, the summary %+v", last, s)
	}
	if s.Latency == nil {
		t.Fatal("no latency")
	}
	var answered int64
	for _, n := range s.Latency.Counts {
		answered += n
	}
	if answered != s.OK {
		t.Errorf("the latency of %d rows, want %d", answered, s.OK)
	}
}
