package worker

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"fluxworker/batcher"
	"fluxworker/worker/contextfit"
	"fluxworker/worker/fleet"
	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// sizedRow is a row with its expected outcome.
type sizedRow struct {
	id, text  string
	maxTokens int
	error     string // a pattern of the message of its error line; "" for a row with an answer
}

// sizedRows returns rows for the stand-in, whose model has a context of 8192 tokens and for which each byte is a token. There
// are so many short rows, and some that need a longer context or a context beyond that of the model.
func sizedRows(short int) []sizedRow {
	rows := []sizedRow{
		// Digits have a large weight, so these rows are deferred before they are asked.
		{"long-1", strings.Repeat("1", 6000) + "3", 40, ""},
		{"long-2", strings.Repeat("1", 8100) + "w", 40, ""},
		// These rows seem short enough for 512 tokens. The server refuses the first, and cuts the answer of the second.
		{"longer-than-it-seems", strings.Repeat("x", 700) + "a", 40, ""},
		{"cut-at-first", strings.Repeat("x", 489) + "?", 40, ""},
		{"hopeless", strings.Repeat("1", 12_000) + "3", 40, "12002 .*longest context that the model has is 8192 tokens"},
		{"more-hopeless-than-it-seems", strings.Repeat("x", 11_600) + "3", 40, "11602 .*longest context that the model has is 8192 tokens"},
		{"cut-for-good", strings.Repeat("1", 8170) + "?", 100, "cut after 20 of at most 100 tokens: the prompt has 8172, .*longest context that the model has is 8192 tokens"},
	}
	for i := range short {
		rows = append(rows, sizedRow{fmt.Sprint(i), fmt.Sprintf("row %d ends in %c", i, "0123456789abcdefghijklmnopqrstuvwxyz"[i%36]), 40, ""})
	}
	return rows
}

// jsonl returns the rows as an input file.
func jsonl(rows []sizedRow) []byte {
	var b bytes.Buffer
	for _, r := range rows {
		fmt.Fprintf(&b, `{"custom_id":%q,"prompt":%q,"max_tokens":%d}`+"\n", r.id, r.text, r.maxTokens)
	}
	return b.Bytes()
}

// autoContext returns the Config of a run whose context follows from these rows.
func autoContext(t *testing.T, rows []sizedRow, flags ...string) Config {
	t.Helper()
	c, _ := config(t, 0, flags...)
	c.Request.Context, c.FitContext = 0, true
	if err := os.WriteFile(c.Input, jsonl(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// checkLines checks that every row has exactly one line, with the expected outcome, and with the whole prompt and answer.
func checkLines(t *testing.T, c Config, rows []sizedRow) {
	t.Helper()
	paths, err := result.PathsOf(c.Output, result.Shard{})
	if err != nil {
		t.Fatal(err)
	}
	answers, failures := linesOf(t, paths.Results), linesOf(t, paths.Errors)
	for _, r := range rows {
		if r.error != "" {
			if len(failures[r.id]) != 1 || failures[r.id][0].code() != "context_length_exceeded" || !matches(r.error, failures[r.id][0].message()) {
				t.Errorf("%s: %d errors, want one that says %q: %s", r.id, len(failures[r.id]), r.error, firstError(failures[r.id]))
			}
			continue
		}
		const all = "0123456789abcdefghijklmnopqrstuvwxyz"
		want := all[strings.IndexByte(all, r.text[len(r.text)-1])+1:]
		if l := answers[r.id]; len(l) != 1 || l[0].text() != want || l[0].promptTokens() != len(r.text)+1 {
			t.Errorf("%s: %d answers, failure %q; want one answer %q to %d tokens", r.id, len(l), firstError(failures[r.id]), want, len(r.text)+1)
		}
	}
	if n := len(answers) + len(failures); n != len(rows) {
		t.Errorf("%d rows have lines, want %d", n, len(rows))
	}
}

// In two passes every row gets a whole answer, or an error with the tokens of the row and of the context, for every kind of
// input.
func TestLongRowsAreAnsweredLast(t *testing.T) {
	t.Parallel()
	rows := sizedRows(400)
	tests := map[string]func(t *testing.T, c *Config){
		"file": func(t *testing.T, c *Config) {},
		"old generation": func(t *testing.T, c *Config) {
			c.Server.Command = append(c.Server.Command, "--generation", "o")
		},
		"compressed": func(t *testing.T, c *Config) {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			w.Write(jsonl(rows))
			w.Close()
			c.Input += ".gz"
			if err := os.WriteFile(c.Input, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"pipe": func(t *testing.T, c *Config) { c.Input = pipe(t, jsonl(rows)) },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			c := autoContext(t, rows)
			change(t, &c)
			s, err := runOnce(t, t.Context(), c, nil)
			if err != nil || !s.Complete || s.OK != 404 || s.Failed != 3 {
				t.Fatalf("summary %+v, %v", s, err)
			}
			want := rows
			if name == "old generation" {
				want = uncounted(rows)
			}
			checkLines(t, c, want)
			m := manifestOf(t, c)
			if len(m.Contexts) != 2 || m.Contexts[0].Context != 512 || m.Contexts[1].Context != 8192 || m.Plan.Context != 8192 || m.Plan.Slots != 2 {
				t.Errorf("contexts were chosen as in %+v, and the last plan is %+v; want 512 tokens and then 8192, with fewer slots", m.Contexts, m.Plan)
			}
			if s.PutOff < 5 || s.PutOff > 7 {
				t.Errorf("%d rows were deferred", s.PutOff)
			}
			left, _ := filepath.Glob(filepath.Join(filepath.Dir(c.Output), "out.run", contextfit.SpoolPrefix+"*"))
			if len(left) > 0 {
				t.Errorf("rows are left behind in %v", left)
			}
		})
	}
}

// uncounted returns the rows with the errors of the old generation, whose refusals do not name the tokens of a prompt.
func uncounted(rows []sizedRow) []sizedRow {
	old := append([]sizedRow{}, rows...)
	for i := range old {
		if strings.Contains(old[i].id, "hopeless") {
			old[i].error = `the prompt has (about|more than) \d+ tokens.*, and the longest context that the model has is 8192 tokens`
		}
	}
	return old
}

// stopInPass is stopAfter for one of the passes: only the servers of that pass hold requests back, after so many rows of the
// run.
func stopInPass(t *testing.T, c Config, pass int, rows int64) (record.Summary, error) {
	t.Helper()
	const tooLong = 10 // an upper bound of the rows that are asked and not answered
	if pass == 1 {
		return stopAfterAsking(t, c, rows, rows+tooLong)
	}
	file := limitAnswers(t, &c)
	counters := new(record.Counters)
	starts := &onLine{text: "starting server", n: pass, do: func() { setLimit(t, file, rows-counters.Progress().OK+tooLong) }}
	drained := &onLine{text: "no new rows", do: func() { os.Remove(file) }}
	return Run(t.Context(), c, zerolog.New(io.MultiWriter(starts, drained)), until(t, answered(counters, rows)), counters)
}

// After a stop in either pass, the same command goes on: every row has exactly one line, and every answer is whole.
func TestStoppedInEitherPass(t *testing.T) {
	t.Parallel()
	rows := sizedRows(400)
	for i := range 60 {
		rows = append(rows, sizedRow{fmt.Sprint("also-long-", i), strings.Repeat("1", 6000) + "x", 40, ""})
	}
	for _, tt := range []struct {
		pass int
		at   int64
	}{{1, 100}, {2, 405}} {
		t.Run(fmt.Sprint("pass ", tt.pass), func(t *testing.T) {
			recordFile := filepath.Join(t.TempDir(), "record.json")
			c := autoContext(t, rows, "--record", recordFile)
			s, err := stopInPass(t, c, tt.pass, tt.at)
			if !errors.Is(err, outcome.ErrStopped) || s.Complete || s.OK < tt.at {
				t.Fatalf("summary %+v, %v; want to be stopped after %d rows", s, err, tt.at)
			}
			if r := readRecord(t, recordFile); r.Gone > 0 {
				t.Errorf("%d rows in flight were given up", r.Gone)
			}
			s, err = runOnce(t, t.Context(), c, nil)
			if err != nil || s.OK+s.Failed+s.Skipped != int64(len(rows)) {
				t.Fatalf("the second run: %+v, %v", s, err)
			}
			checkLines(t, c, rows)
			if m := manifestOf(t, c); tt.pass == 2 && m.Contexts[0].Context <= batcher.DefaultContext {
				t.Errorf("%d tokens were chosen although only long rows were left", m.Contexts[0].Context)
			}
		})
	}
}

// Rows may allow far longer answers than the model writes. The chosen context assumes short answers.
func TestContextAssumesShortAnswers(t *testing.T) {
	t.Parallel()
	rows := sizedRows(0)[:2]
	for i := range 300 {
		rows = append(rows, sizedRow{fmt.Sprint(i), fmt.Sprintf("row %d ends in a", i), 1_000_000, ""})
	}
	c := autoContext(t, rows)
	s, err := runOnce(t, t.Context(), c, nil)
	if err != nil || s.OK != 302 {
		t.Fatalf("summary %+v, %v", s, err)
	}
	checkLines(t, c, rows)
	if m := manifestOf(t, c); m.Contexts[0].Context > 6000 {
		t.Errorf("%d tokens were chosen for short prompts", m.Contexts[0].Context)
	}
}

// The server counts the tokens of all texts of an embedding together, but each text has a context of its own: rows with many
// texts are not long.
func TestRowsWithManyTextsAreNotDeferred(t *testing.T) {
	t.Parallel()
	c := autoContext(t, nil, "--embeds", "--generation", "o")
	texts, err := json.Marshal(slices.Repeat([]string{"a text of some thirty bytes, ok"}, 100))
	if err != nil {
		t.Fatal(err)
	}
	var rows bytes.Buffer
	for i := range 200 {
		fmt.Fprintf(&rows, `{"custom_id":"%d","url":"/v1/embeddings","method":"POST","body":{"model":"bigram","input":%s}}`+"\n", i, texts)
	}
	if err := os.WriteFile(c.Input, rows.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := runOnce(t, t.Context(), c, nil)
	if m := manifestOf(t, c); err != nil || s.OK != 200 || s.PutOff != 0 || len(m.Contexts) != 1 {
		t.Errorf("summary %+v, %v; contexts %+v; want one pass", s, err, m.Contexts)
	}
}

// The context is not part of a request: a run with another context goes on with the same output.
func TestContextIsNoPartOfARow(t *testing.T) {
	t.Parallel()
	rows := sizedRows(50)
	c := autoContext(t, rows)
	c.Request.Context, c.FitContext = 512, false
	if s, err := runOnce(t, t.Context(), c, nil); err != nil || s.OK != 50 || s.Failed != 7 {
		t.Fatalf("with 512 tokens: %+v, %v", s, err)
	}
	c.Request.Context, c.FitContext = 0, true
	c.Results.RetryFailed = true
	if s, err := runOnce(t, t.Context(), c, nil); err != nil || s.OK != 4 || s.Failed != 3 || s.Skipped != 50 {
		t.Fatalf("with what suits the rows: %+v, %v", s, err)
	}
	checkLines(t, c, rows)
}

// A server that runs already keeps its context: no row is deferred.
func TestARunningServerKeepsItsContext(t *testing.T) {
	t.Parallel()
	server := runningServer(t)
	c := autoContext(t, sizedRows(20))
	c.Server = fleet.Settings{URL: server.URL(), LoadTimeout: c.Server.LoadTimeout}
	s, err := runOnce(t, t.Context(), c, nil)
	if err != nil || s.OK != 22 || s.Failed != 5 || s.PutOff != 0 {
		t.Errorf("summary %+v, %v; want answers to the rows of at most 4096 tokens", s, err)
	}
}

// pipe makes a named pipe, writes data into it and returns its path.
func pipe(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(path, data, 0o600) }()
	t.Cleanup(func() {
		if err := <-written; err != nil {
			t.Error(err)
		}
	})
	return path
}
