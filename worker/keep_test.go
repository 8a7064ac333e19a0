package worker

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/ollama"
)

// addRow puts a row behind the others.
func addRow(t *testing.T, c Config, row string) {
	t.Helper()
	f, err := os.OpenFile(c.Input, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(row + "\n"); err != nil {
		t.Fatal(err)
	}
}

// A server that ends in the middle of it is started again, and no row is lost.
func TestALostServerIsStartedAgain(t *testing.T) {
	c, _ := config(t, 100, "--fault", "exit@60")
	c.MaxRestarts = 3
	s, err := runOnce(t, t.Context(), c, nil)
	if err != nil || s.OK != 100 || s.Failed != 0 {
		t.Errorf("summary %+v, %v; want 100 rows", s, err)
	}
}

// One that neither answers nor works is ended and started again, however green its health is.
func TestAHangingServerIsStartedAgain(t *testing.T) {
	c, _ := config(t, 60, "--fault", "hang-all@40")
	c.MaxRestarts, c.StallTimeout = 3, 400*time.Millisecond
	s, err := runOnce(t, t.Context(), c, nil)
	if err != nil || s.OK != 60 {
		t.Errorf("summary %+v, %v; want 60 rows", s, err)
	}
}

// A server that only waits for rows does not hang.
func TestAnIdleServerIsLeftAlone(t *testing.T) {
	m := &member{}
	w := watchdog{member: m, timeout: time.Second, progress: time.Now()}
	server, err := ollama.Start([]string{os.Args[0], fake}, ollama.Settings{Models: t.TempDir(), Slots: 1, Context: 512, LoadTimeout: time.Minute},
		t.TempDir(), t.TempDir()+"/log")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	if err := server.WaitListening(t.Context(), ollama.DeviceCPU); err != nil {
		t.Fatal(err)
	}
	m.server = server
	now := time.Now()
	for range 10 {
		now = now.Add(time.Hour) // of the watchdog's own clock: the process has not worked meanwhile
		if reason := w.look(now); reason != nil {
			t.Fatalf("ended without a row: %v", reason)
		}
	}
	m.asking.Add(1)
	w.look(now.Add(time.Second / 2))
	if reason := w.look(now.Add(time.Hour)); reason == nil || !strings.Contains(reason.Error(), "--stall-timeout") {
		t.Errorf("with a row and without work: %v", reason)
	}
	m.answered.Add(1)
	if reason := w.look(now.Add(2 * time.Hour)); reason != nil {
		t.Errorf("after an answer: %v", reason)
	}
}

func TestAServerThatGrowsIsStartedAnewAndGivenUp(t *testing.T) {
	c, _ := config(t, 200, "--delay", "20ms")
	c.MaxRestarts, c.StallTimeout, c.MaxServerBytes = 1, 80*time.Millisecond, 1
	_, err := runOnce(t, t.Context(), c, nil)
	var down *ollama.ServerError
	if !errors.As(err, &down) || !strings.Contains(err.Error(), "--max-server-memory") || !strings.Contains(err.Error(), "started again 1 times") {
		t.Errorf("got %v, want a ServerError that names the limit", err)
	}
}

// A row that takes the server down again and again is found, and every other is answered.
func TestAPoisonRowIsSetAside(t *testing.T) {
	c, _ := config(t, 40, "--fault", "exit:1", "--fault-match", "poison")
	addRow(t, c, `{"custom_id":"poison","prompt":"poison x"}`)
	c.MaxRestarts = 10
	s, err := runOnce(t, t.Context(), c, nil)
	if err != nil || s.OK != 40 || s.Failed != 1 || !s.Complete {
		t.Fatalf("summary %+v, %v; want 40 rows and one failed", s, err)
	}
	data, err := os.ReadFile(strings.TrimSuffix(c.Output, ".jsonl") + "-errors.jsonl")
	if err != nil || !strings.Contains(string(data), `"custom_id":"poison","response":null,"error":{"code":"poison_row","message":"the server died 3 times`) {
		t.Errorf("errors: %s, %v", data, err)
	}
}

// A row that waits to be asked again holds no slot: all of them are full of others meanwhile, or the server, which waits for
// that, would answer none.
func TestRetriesHoldNoSlot(t *testing.T) {
	const rows = 30
	c, record := config(t, 0, "--fault", "500:1", "--fault-match", "bad", "--hold", fmt.Sprint(inFlight(4)), "--hold-rows", fmt.Sprint(rows))
	for range c.Wish.Slots {
		addRow(t, c, `{"prompt":"bad x"}`)
	}
	for range rows {
		addRow(t, c, `{"prompt":"x x"}`)
	}
	c.MaxRetries, c.Grace = 100, 0
	counts := new(Counts)
	if _, err := Run(t.Context(), c, zerolog.Nop(), until(counts, rows), counts); !errors.Is(err, ErrStopped) {
		t.Fatal(err)
	}
	if r := readRecord(t, record); r.Answered != rows || r.Faults["500"] < c.Wish.Slots {
		t.Errorf("%d rows were answered and %d failed, want %d and at least %d", r.Answered, r.Faults["500"], rows, c.Wish.Slots)
	}
}
