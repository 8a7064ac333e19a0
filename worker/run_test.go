package worker

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fluxworker/batcher"
	"fluxworker/modelcfg"
	"fluxworker/test/await"
	"fluxworker/test/fakeollama"
	"fluxworker/worker/fleet"
	"fluxworker/worker/ollama"
	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

const fake = "fakeollama"

// TestMain makes the test binary also a guard and a stand-in server.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == ollama.GuardCommand:
		os.Exit(ollama.Guard(os.Args[2:]))
	case len(os.Args) > 1 && os.Args[1] == fake:
		os.Args = os.Args[1:]
		os.Exit(fakeollama.Main())
	case os.Args[0] == fake: // the stand-in's child
		os.Exit(fakeollama.Main())
	}
	flag.Set("test.parallel", "8") // a run mostly waits for its server, not for a CPU
	goleak.VerifyTestMain(m)
}

// config returns the Config of a run of n rows with a stand-in server that has the given flags. The server writes its record to
// recordFile.
func config(t testing.TB, n int, flags ...string) (c Config, recordFile string) {
	t.Helper()
	dir := t.TempDir()
	var rows strings.Builder
	for i := range n {
		fmt.Fprintf(&rows, `{"custom_id":"%d","prompt":"x x"}`+"\n", i)
	}
	input := filepath.Join(dir, "in.jsonl")
	if err := os.WriteFile(input, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	recordFile = filepath.Join(dir, "record.json")
	return Config{
		Input: input, Output: filepath.Join(dir, "out.jsonl"),
		Defaults: prompt.Defaults{Model: "bigram", Sampling: prompt.Sampling{MaxTokens: 10, TopP: 1}},
		Server: fleet.Settings{
			Command: append([]string{os.Args[0], fake, "--max-life", "10m", "--record", recordFile}, flags...),
			Models:  dir, Device: ollama.DeviceCPU, LoadTimeout: await.Patience, ScratchRoot: dir,
		},
		Model: modelcfg.Model{Name: "bigram"}, Request: batcher.Request{Slots: 4, Context: 512}, SampleTime: await.Patience,
		RequestTimeout: await.Patience, MaxRetries: 1, RetryDelay: time.Millisecond, StallTimeout: await.Patience, Grace: await.Patience, Results: Results{SyncEvery: time.Second},
	}, recordFile
}

// runOnce runs without a log.
func runOnce(t testing.TB, ctx context.Context, c Config, drain <-chan struct{}) (record.Summary, error) {
	t.Helper()
	return Run(ctx, c, zerolog.Nop(), drain, new(record.Counters))
}

// The server answers only while the planned number of rows is with it: a run that sends fewer rows gets no answer.
func TestRunKeepsTheSlotsFull(t *testing.T) {
	t.Parallel()
	const rows = 200
	c, recordFile := config(t, rows, "--hold", fmt.Sprint(batcher.InFlight(4)), "--hold-rows", fmt.Sprint(rows))
	s, err := runOnce(t, t.Context(), c, nil)
	if err != nil || s.OK != rows || !s.Complete || s.TokensOut != rows*3 {
		t.Fatalf("summary %+v, %v", s, err)
	}
	r := readRecord(t, recordFile)
	if r.PeakInFlight != batcher.InFlight(c.Request.Slots) || r.PeakWorking != c.Request.Slots {
		t.Errorf("the server saw %d in flight and %d working, want %d and %d", r.PeakInFlight, r.PeakWorking, batcher.InFlight(c.Request.Slots), c.Request.Slots)
	}
	if r.Loads != 1 {
		t.Errorf("the model was loaded %d times", r.Loads)
	}
}

// readRecord reads the record of a stand-in server.
func readRecord(t *testing.T, path string) fakeollama.Record {
	t.Helper()
	r, err := fakeollama.ReadRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestDrainFinishesWhatIsInFlight(t *testing.T) {
	t.Parallel()
	c, recordFile := config(t, 100)
	limit := limitAnswers(t, &c)
	setLimit(t, limit, 20)
	// The signal comes when every asker has a row at the server: an asker between two rows has no row to finish.
	drain := until(t, heldBack(limit, batcher.InFlight(c.Request.Slots)))
	log := &onLine{text: "no new rows", do: func() { os.Remove(limit) }}
	s, err := Run(t.Context(), c, zerolog.New(log), drain, new(record.Counters))
	if !errors.Is(err, outcome.ErrStopped) || s.Complete || s.OK != int64(20+batcher.InFlight(c.Request.Slots)) {
		t.Fatalf("summary %+v, %v; want outcome.ErrStopped, and the rows in flight answered", s, err)
	}
	r, err := fakeollama.ReadRecord(recordFile)
	if err != nil || r.Gone != 0 || int64(r.Answered) != s.OK {
		t.Errorf("the server answered %d rows and lost %d, the run counts %d (%v)", r.Answered, r.Gone, s.OK, err)
	}
	c.Server.Command = []string{os.Args[0], fake}
	if s, err = runOnce(t, t.Context(), c, nil); err != nil || s.OK+s.Skipped != 100 {
		t.Errorf("the second run: %+v, %v", s, err)
	}
}

func TestGraceAndAbortGiveUpWhatHangs(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"grace", "abort"} {
		t.Run(how, func(t *testing.T) {
			c, _ := config(t, 50, "--fault", "hang-all@21")
			counters := new(record.Counters)
			ctx, abort := context.WithCancel(t.Context())
			defer abort()
			drain := until(t, answered(counters, 20))
			if how == "grace" {
				c.Grace = 20 * time.Millisecond
			} else {
				go func() { <-drain; abort() }()
			}
			s, err := Run(ctx, c, zerolog.Nop(), drain, counters)
			if !errors.Is(err, outcome.ErrStopped) || s.OK != 20 || s.Failed != 0 {
				t.Errorf("summary %+v, %v; want 20 rows and ErrStopped", s, err)
			}
		})
	}
}

// A row that the server cannot answer stays undone, and every other row is answered: a server's failure is no row's error.
func TestARowThatTheServerFailsStaysUndone(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 100, "--fault", "500:1", "--fault-match", "poison")
	addRow(t, c, `{"custom_id":"poison","prompt":"poison x"}`)
	s, err := runOnce(t, t.Context(), c, nil)
	var down *ollama.ServerError
	if !errors.As(err, &down) || s.OK != 100 || s.Failed != 0 || s.Complete {
		t.Errorf("summary %+v, %v; want a ServerError, 100 rows and none failed", s, err)
	}
	c.Server.Command = []string{os.Args[0], fake}
	if s, err = runOnce(t, t.Context(), c, nil); err != nil || s.OK+s.Skipped != 101 {
		t.Errorf("the second run: %+v, %v", s, err)
	}
}

// runningServer starts a stand-in server that listens until the end of the test.
func runningServer(t *testing.T, flags ...string) *ollama.Server {
	t.Helper()
	dir := t.TempDir()
	command := append([]string{os.Args[0], fake, "--max-life", "10m"}, flags...)
	server, err := ollama.Start(command, ollama.Settings{Models: dir, Slots: 2, Context: 512, LoadTimeout: await.Patience}, dir, filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	if err := server.WaitListening(t.Context(), ollama.DeviceCPU); err != nil {
		t.Fatal(err)
	}
	return server
}

func TestRunUsesARunningServer(t *testing.T) {
	t.Parallel()
	server := runningServer(t)
	c, _ := config(t, 20)
	c.Server = fleet.Settings{URL: server.URL(), LoadTimeout: await.Patience}
	s, err := runOnce(t, t.Context(), c, nil)
	if err != nil || s.OK != 20 {
		t.Errorf("summary %+v, %v", s, err)
	}
	select {
	case <-server.Done():
		t.Error("the run ended a server that it had not started")
	default:
	}
	c.Defaults.Model, c.Output = "other", filepath.Join(t.TempDir(), "other.jsonl")
	if _, err := runOnce(t, t.Context(), c, nil); !errors.Is(err, ollama.ErrModelMissing) || !strings.Contains(err.Error(), server.URL()) {
		t.Errorf("model missing: %v, want ErrModelMissing with the address", err)
	}
}

func TestRunLosesItsInput(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 50)
	// A compressed file that ends in the middle gives some rows and then an error.
	c.Input = filepath.Join(t.TempDir(), "in.jsonl.gz")
	writeTornGzip(t, c.Input)
	_, err := runOnce(t, t.Context(), c, nil)
	var input *outcome.InputError
	if !errors.As(err, &input) || !strings.Contains(err.Error(), c.Input) {
		t.Errorf("got %v, want an outcome.InputError that names the file", err)
	}
}

func TestRunLosesItsOutput(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 50)
	c.Output = filepath.Join(c.Input, "out.jsonl")
	_, err := runOnce(t, t.Context(), c, nil)
	var write *result.WriteError
	if !errors.As(err, &write) {
		t.Errorf("got %v, want a WriteError", err)
	}
}

// writeTornGzip writes the first half of a compressed input.
func writeTornGzip(t *testing.T, path string) {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	random := rand.New(rand.NewPCG(1, 2)) // random text does not compress well, so the half holds rows
	for i := range 2000 {
		fmt.Fprintf(w, `{"custom_id":"%d","prompt":"%x x"}`+"\n", i, random.Uint64())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes()[:b.Len()/2], 0o600); err != nil {
		t.Fatal(err)
	}
}
