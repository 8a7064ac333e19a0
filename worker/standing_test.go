package worker

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
)

// stopHalfway makes a run that a signal ends in the middle of its rows, and returns what it had answered.
func stopHalfway(t *testing.T, c Config) int64 {
	t.Helper()
	s, err := stopAfter(t, c, 10)
	if !errors.Is(err, ErrStopped) || s.OK < 10 {
		t.Fatalf("summary %+v, %v; want ErrStopped in the middle", s, err)
	}
	return s.OK
}

// The server of a run that was stopped before stands while it is still being read what is done: here, in a file that does
// not come to its end before the server is ready.
func TestServerStartsWhileTheOutputIsRead(t *testing.T) {
	t.Parallel()
	const rows = 300
	c, record := config(t, rows)
	answered := stopHalfway(t, c)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere.jsonl")
	if err := syscall.Mkfifo(elsewhere, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Results.ResumeFrom = []string{elsewhere}
	ready := make(chan struct{})
	log := &onLine{text: "server ready", do: func() { close(ready) }}
	var reading sync.WaitGroup
	reading.Go(func() {
		f, err := os.OpenFile(elsewhere, os.O_WRONLY, 0) // when the run opens it, too
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		<-ready
	})
	s, err := Run(t.Context(), c, zerolog.New(log), nil, new(Counts))
	reading.Wait()
	if err != nil || s.OK+s.Skipped != rows || s.Skipped != answered {
		t.Errorf("summary %+v, %v; want %d rows, %d of them done before", s, err, rows, answered)
	}
	if r := readRecord(t, record); r.Loads != 1 || r.Requests != rows-int(answered) {
		t.Errorf("the server loaded the model %d times and was asked %d rows, want 1 and %d", r.Loads, r.Requests, rows-answered)
	}
}

// A run that starts its server early and then has no use for it ends it, and says what it would have said without.
func TestEarlyServerIsOfNoUse(t *testing.T) {
	t.Parallel()
	const rows = 300
	for _, tt := range []struct {
		name  string
		early bool
		spoil func(t *testing.T, c *Config)
		check func(t *testing.T, s Summary, err error)
	}{
		{"nothing is left", true, func(t *testing.T, c *Config) {
			if _, err := runOnce(t, t.Context(), *c, nil); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(filepath.Dir(c.Output), "out.run", attemptsDir, "0002.json")
			edit(t, path, `"outcome": "complete"`, `"outcome": "running"`) // as if it had been killed after the last row
			edit(t, path, `"complete": true`, `"complete": false`)
		}, func(t *testing.T, s Summary, err error) {
			if err != nil || !s.Complete || s.Skipped != rows {
				t.Errorf("summary %+v, %v; want all rows done before", s, err)
			}
		}},
		{"a row has changed", true, func(t *testing.T, c *Config) {
			info, err := os.Stat(c.Input)
			if err != nil {
				t.Fatal(err)
			}
			edit(t, c.Input, `{"custom_id":"0","prompt":"x x"}`, `{"custom_id":"0","prompt":"y y"}`)
			if err := os.Chtimes(c.Input, info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
		}, func(t *testing.T, s Summary, err error) {
			var input *InputError
			if !errors.As(err, &input) || !strings.Contains(err.Error(), "asks for something else now") {
				t.Errorf("%v, want the row that changed", err)
			}
		}},
		{"the other answers are not there", true, func(t *testing.T, c *Config) {
			c.Results.ResumeFrom = []string{filepath.Join(t.TempDir(), "none.jsonl")}
		}, func(t *testing.T, s Summary, err error) {
			var input *InputError
			if !errors.As(err, &input) || !strings.Contains(err.Error(), "--resume-from") {
				t.Errorf("%v, want an InputError of --resume-from", err)
			}
		}},
		{"the server does not start", true, func(t *testing.T, c *Config) {
			c.Server.Command = []string{"/bin/false"}
		}, func(t *testing.T, s Summary, err error) {
			if err == nil || s.OK != 0 || s.Skipped == 0 {
				t.Errorf("summary %+v, %v; want the server's error", s, err)
			}
		}},
		{"the settings have changed", false, func(t *testing.T, c *Config) {
			c.Defaults.Sampling.MaxTokens = 11
		}, func(t *testing.T, s Summary, err error) {
			var refused *ConfigError
			if !errors.As(err, &refused) {
				t.Errorf("%v, want a ConfigError", err)
			}
		}},
		{"the last run was complete", false, func(t *testing.T, c *Config) {
			if _, err := runOnce(t, t.Context(), *c, nil); err != nil {
				t.Fatal(err)
			}
		}, func(t *testing.T, s Summary, err error) {
			if err != nil || s.Skipped != rows {
				t.Errorf("summary %+v, %v; want all rows done before", s, err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := config(t, rows)
			stopHalfway(t, c)
			tt.spoil(t, &c)
			var log bytes.Buffer
			s, err := Run(t.Context(), c, zerolog.New(zerolog.SyncWriter(&log)), nil, new(Counts))
			tt.check(t, s, err)
			if early := strings.Contains(log.String(), "the server starts while the results are read"); early != tt.early {
				t.Errorf("the server starts early: %t, want %t", early, tt.early)
			}
			if !tt.early && strings.Contains(log.String(), "starting server") {
				t.Error("a server was started")
			}
		})
	}
}

// edit replaces text in a file, and leaves everything else of it.
func edit(t *testing.T, path, old, new string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(old)) {
		t.Fatalf("%s does not hold %q", path, old)
	}
	if err := os.WriteFile(path, bytes.Replace(data, []byte(old), []byte(new), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}
