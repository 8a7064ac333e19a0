package worker

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
	"fluxworker/worker/resume"
)

// The run takes rows for as long as they can end before the grace of the deadline. Then rows in flight finish, and the other
// rows stay undone.
func TestDeadlineEndsIntakeInTime(t *testing.T) {
	t.Parallel()
	for left := time.Second; ; left *= 3 { // a busy machine may need more time to start the server
		c, recordFile := config(t, 20_000, "--delay", "100ms")
		c.Grace = 20 * time.Second
		c.Place.Limit = time.Now().Add(c.Grace + left)
		s, err := runOnce(t, t.Context(), c, nil)
		if s.OK > 0 || left > time.Minute || !errors.Is(err, outcome.ErrStopped) {
			checkEndedIntake(t, recordFile, s, err)
			return
		}
	}
}

// checkEndedIntake checks that a run was stopped by its deadline, and then waited for the rows in flight.
func checkEndedIntake(t *testing.T, recordFile string, s record.Summary, err error) {
	t.Helper()
	var reason *outcome.StoppedError
	if !errors.As(err, &reason) || !errors.Is(err, outcome.ErrStopped) || !reason.Deadline || !strings.Contains(err.Error(), "(--deadline)") {
		t.Fatalf("got %v, want to be stopped by the deadline", err)
	}
	if s.OK == 0 || s.OK == 20_000 {
		t.Errorf("%d rows were answered, want some", s.OK)
	}
	if r := readRecord(t, recordFile); int64(r.Requests)-s.OK > 1 { // 1 for the request that verified the server
		t.Errorf("%d of %d requests were answered, want all", s.OK, r.Requests)
	}
}

// With less time left than the grace, no server is started.
func TestDeadlineIsOver(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 10)
	c.Server.Command = []string{"/nonexistent"}
	c.Place.Limit = time.Now().Add(c.Grace - time.Second)
	_, err := Run(t.Context(), c, zerolog.Nop(), nil, new(record.Counters))
	if !errors.Is(err, outcome.ErrStopped) {
		t.Errorf("got %v, want to be stopped", err)
	}
}

// With slow rows the intake ends earlier: a row that is taken must end in time.
func TestDeadlineConsidersTheTimeOfRows(t *testing.T) {
	t.Parallel()
	for row, want := range map[time.Duration]bool{time.Second: false, 18 * time.Minute: false, 25 * time.Minute: true} {
		deadline := Deadline{At: time.Now().Add(20 * time.Minute)}
		over, cancel := context.WithCancel(t.Context())
		cancel() // a single check is enough
		stopped := false
		deadline.watch(over, time.Minute, func() time.Duration { return row }, zerolog.Nop(), func(error) { stopped = true })
		if stopped != want {
			t.Errorf("rows of %s: stopped %t, want %t", row, stopped, want)
		}
	}
}

// A run that drops the lines of an output and is stopped leaves no document of the dropped lines.
func TestTheDocumentOfDroppedLinesIsRemoved(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]func(*Config){
		"overwrite": func(c *Config) { c.Results.Overwrite = true },
		"rerun":     func(c *Config) { c.Results.OnChange, c.Defaults.Sampling.MaxTokens = resume.ChangeReruns, 9 },
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := config(t, 60)
			c.Output = strings.TrimSuffix(c.Output, ".jsonl") + ".json"
			if s, err := runOnce(t, t.Context(), c, nil); err != nil || s.Document != c.Output {
				t.Fatalf("summary %+v, %v; want a document", s, err)
			}
			drop(&c)
			if _, err := stopAfter(t, c, 5); !errors.Is(err, outcome.ErrStopped) {
				t.Fatalf("got %v, want ErrStopped", err)
			}
			if _, err := os.Stat(c.Output); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the document of the lines that were dropped is still there: %v", err)
			}
			c.Results.Overwrite = false
			if s, err := runOnce(t, t.Context(), c, nil); err != nil || s.Document != c.Output {
				t.Errorf("summary %+v, %v; want a document", s, err)
			}
		})
	}
}

// After a signal during the writing of the document, the writing ends with the grace, and the next run writes the document.
func TestASignalEndsTheDocumentInTime(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 60)
	c.Output = strings.TrimSuffix(c.Output, ".jsonl") + ".json"
	c.Grace = time.Millisecond
	drain, over := make(chan struct{}), make(chan struct{})
	log := zerolog.New(io.Discard).Hook(zerolog.HookFunc(func(_ *zerolog.Event, _ zerolog.Level, message string) {
		switch {
		case strings.HasPrefix(message, "writing all rows"):
			close(drain)
			<-over
		case strings.HasPrefix(message, "the document is given up"):
			close(over)
		}
	}))
	if s, err := Run(t.Context(), c, log, drain, new(record.Counters)); !errors.Is(err, outcome.ErrStopped) || s.OK != 60 || s.Document != "" {
		t.Fatalf("summary %+v, %v; want outcome.ErrStopped and no document", s, err)
	}
	if _, err := os.Stat(c.Output); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a document: %v", err)
	}
	if s, err := runOnce(t, t.Context(), c, nil); err != nil || s.Document != c.Output {
		t.Errorf("summary %+v, %v; want a document", s, err)
	}
}
