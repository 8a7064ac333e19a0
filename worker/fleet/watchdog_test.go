package fleet

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fluxworker/gpu"
	"fluxworker/test/await"
	"fluxworker/test/fakeollama"
	"fluxworker/worker/ollama"
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
	goleak.VerifyTestMain(m)
}

// traffic is the Activity of a test.
type traffic struct{ rows, completed int64 }

func (t *traffic) InFlight() int64  { return t.rows }
func (t *traffic) Completed() int64 { return t.completed }

// watchedServer starts a stand-in server and returns its watchdog.
func watchedServer(t *testing.T, flags ...string) *watchdog {
	t.Helper()
	dir := t.TempDir()
	command := append([]string{os.Args[0], fake, "--max-life", "10m"}, flags...)
	process, err := ollama.Start(command, ollama.Settings{Models: dir, Slots: 2, Context: 512, LoadTimeout: await.Patience}, dir, filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Stop)
	if err := process.WaitListening(t.Context(), ollama.DeviceCPU); err != nil {
		t.Fatal(err)
	}
	s := &Server{process: process}
	s.setReady(true)
	return &watchdog{fleet: New(Config{StallTimeout: time.Second}, nil, zerolog.Nop()), server: s, activity: new(traffic), progress: time.Now()}
}

// A server that only waits for rows does not hang, nor does a server that answers or whose GPU computes.
func TestAServerWithProgressIsNotEnded(t *testing.T) {
	t.Parallel()
	w := watchedServer(t)
	now := time.Now()
	later := func() *ending {
		now = now.Add(time.Hour) // by the watchdog's clock: the process has not worked meanwhile
		return w.inspect(now)
	}
	for range 10 {
		if reason := later(); reason != nil {
			t.Fatalf("ended without a row: %v", reason.reason)
		}
	}
	activity := w.activity.(*traffic)
	activity.rows = 1
	for what, progress := range map[string]func(){
		"an answer":      func() { activity.completed++ },
		"its GPU's work": func() { markBusy(gpu.Device{UUID: "GPU-1"}, []*Server{w.server}) },
	} {
		w.server.plan.Devices = []gpu.Device{{UUID: "GPU-1"}}
		if reason := later(); reason == nil || !strings.Contains(reason.reason.Error(), "--stall-timeout") {
			t.Errorf("with a row and without work: %v", reason)
		}
		progress()
		if reason := later(); reason != nil {
			t.Errorf("after %s: %v", what, reason.reason)
		}
	}
	markBusy(gpu.Device{UUID: "GPU-1"}, []*Server{w.server, {plan: w.server.plan}})
	if reason := later(); reason == nil {
		t.Error("the work of a GPU that two servers share counts for one of them")
	}
}

// The watchdog also notices a runner that dies while no row is with the server: the next row would load the model again,
// unverified.
func TestAServerWithoutItsRunnerIsEnded(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/pid"
	w := watchedServer(t, "--child", "--child-pid", file)
	if reason := w.inspect(time.Now()); reason != nil {
		t.Fatal(reason.reason)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "the watchdog to miss the runner", func() bool { return w.inspect(time.Now()) != nil })
}

// A GPU that is lost while its server is being started again is lost for that server, too.
func TestAGPULostDuringARestartIsFinal(t *testing.T) {
	t.Parallel()
	w := watchedServer(t)
	s := w.server
	s.End(errors.New("it hangs"), false)
	s.end(ending{reason: errors.New("GPU GPU-1 is lost"), final: true, blameless: true})
	if err, final := s.lossError(); !final || !strings.Contains(err.Error(), "GPU-1 is lost") {
		t.Errorf("the loss is %v, final %t; want that of the GPU", err, final)
	}
}

// A server that keeps less of the model on its GPU than after its start is ended, unless it has no restart left.
func TestAServerOffItsGPU(t *testing.T) {
	t.Parallel()
	w := watchedServer(t)
	s := w.server
	s.client = ollama.NewClientVia(s.process.Address(), s.process.Dial, 1, ollama.Runner{Context: 512})
	defer s.client.Close()
	if err := s.client.Load(t.Context(), "bigram"); err != nil {
		t.Fatal(err)
	}
	w.fleet.config.Model, s.footprint.GPUBytes = "bigram", 1<<30 // the stand-in has nothing on a GPU
	w.fleet.config.StallTimeout = 4 * await.Patience             // a quarter of it is the time for an answer, and from question to question
	now := time.Now()
	if reason := w.inspect(now); reason != nil || !w.slow {
		t.Errorf("without a restart left: %v, told %t; want to keep the server and say so", reason, w.slow)
	}
	w.fleet.config.MaxRestarts = 1
	if reason := w.inspect(now); reason != nil {
		t.Errorf("asked again at once: %v", reason.reason)
	}
	reason := w.inspect(now.Add(await.Patience))
	if reason == nil || !reason.blameless || !strings.Contains(reason.reason.Error(), "only 0 of the model's 1024 MiB") {
		t.Errorf("with a restart left: %v, want the numbers", reason)
	}
}

// A server whose GPU is lost while it waits for its restart is given up.
func TestNoRestartOnALostGPU(t *testing.T) {
	t.Parallel()
	w := watchedServer(t)
	s := w.server
	s.End(errors.New("it hangs"), false)
	w.fleet.config.MaxRestarts = 3
	lost := errors.New("GPU GPU-1 is lost")
	w.fleet.log = zerolog.New(io.Discard).Hook(zerolog.HookFunc(func(_ *zerolog.Event, _ zerolog.Level, message string) {
		if strings.Contains(message, "starting it again") {
			s.end(ending{reason: lost, final: true, blameless: true})
		}
	}))
	gone, err := w.fleet.restart(t.Context(), t.Context(), s)
	if err != nil || !errors.Is(gone, lost) {
		t.Errorf("gone %v, %v; want the lost GPU", gone, err)
	}
}
