package ollama

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/await"
	"fluxworker/test/fakeollama"
	"fluxworker/worker/prompt"
)

// startFake starts a stand-in server below a guard. It is stopped at the test's end if the test did not do so.
func startFake(t testing.TB, i Isolation, flags ...string) (server *Server, record string) {
	t.Helper()
	dir := t.TempDir()
	record = filepath.Join(dir, "record.json")
	command := append([]string{os.Args[0], fake, "--record", record, "--max-life", "10m"}, flags...)
	server, err := Start(command, Settings{Models: dir, Slots: 3, Context: 512, Device: DeviceCPU, LoadTimeout: await.Patience, Isolate: i},
		dir, filepath.Join(dir, "server.log"))
	needIsolation(t, i, err)
	if server.Isolated() != (i == IsolateAlways) {
		t.Errorf("isolated is %t where %q was said", server.Isolated(), i)
	}
	t.Cleanup(func() {
		server.Stop()
		if left, _ := filepath.Glob(filepath.Join(dir, "fluxworker-*")); len(left) > 0 {
			t.Errorf("scratch left behind: %v", left)
		}
	})
	return server, record
}

func waitListening(t testing.TB, s *Server, device Device) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), await.Patience)
	defer cancel()
	if err := s.WaitListening(ctx, device); err != nil {
		t.Fatal(err)
	}
	c := NewClientVia(s.address, s.Dial, 4, Runner{Context: 512})
	t.Cleanup(c.Close)
	return c
}

func TestServerFromStartToStop(t *testing.T) { eachIsolation(t, testServerFromStartToStop) }

func testServerFromStartToStop(t *testing.T, i Isolation) {
	s, record := startFake(t, i)
	c := waitListening(t, s, DeviceCPU)
	ctx := t.Context()
	if version, err := c.WaitAnswering(ctx); err != nil || version != "0.34.3" {
		t.Fatalf("version %q, %v", version, err)
	}
	if _, err := c.Describe(ctx, "bigram"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Describe(ctx, "other"); !errors.Is(err, ErrModelMissing) {
		t.Errorf("a model that is not there: %v, want ErrModelMissing", err)
	}
	if err := c.Load(ctx, "bigram"); err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(ctx, "bigram"); err != nil {
		t.Fatal(err)
	}
	a, err := c.Ask(ctx, prompt.Request{Endpoint: prompt.Chat, Model: "bigram",
		Messages: []prompt.Message{{Role: "user", Content: "x x"}}, Sampling: prompt.Sampling{MaxTokens: 9, TopP: 1}})
	if err != nil || a.Text != "yz" {
		t.Errorf("answer %+v, %v; want yz", a, err)
	}
	all := processes(t, s, 2)
	s.Stop()
	if err := s.Err(); !strings.Contains(err.Error(), "exited with code 0") {
		t.Errorf("after Stop: %v", err)
	}
	r, err := fakeollama.ReadRecord(record)
	if err != nil {
		t.Fatal(err)
	}
	if r.Ended != "signal" {
		t.Errorf("the server ended by %q, want the signal that lets it clean up", r.Ended)
	}
	// Load, proof and question have the same runner options, or a real server would load again for each.
	if r.Loads != 1 || len(r.Options) != 1 {
		t.Errorf("%d loads with the options %+v, want one", r.Loads, r.Options)
	}
	wantGone(t, all)
}

func TestStopReachesEveryDescendant(t *testing.T) {
	eachIsolation(t, func(t *testing.T, i Isolation) {
		for _, flags := range [][]string{{"--child"}, {"--child", "--child-setsid"}} {
			t.Run(strings.Join(flags, " "), func(t *testing.T) {
				s, _ := startFake(t, i, flags...)
				waitListening(t, s, DeviceCPU)
				all := processes(t, s, 3)
				s.Stop()
				wantGone(t, all) // although the child ignores TERM
			})
		}
	})
}

func TestNothingOutlivesAKilledServerOrGuard(t *testing.T) {
	eachIsolation(t, func(t *testing.T, i Isolation) {
		for _, victim := range []string{"server", "guard"} {
			t.Run(victim, func(t *testing.T) {
				s, _ := startFake(t, i, "--child")
				c := waitListening(t, s, DeviceCPU)
				if err := c.Verify(t.Context(), "bigram"); err != nil {
					t.Fatal(err)
				}
				all := processes(t, s, 3)
				pid := all[0]
				if victim == "server" {
					pid = all[1]
				}
				syscall.Kill(pid, syscall.SIGKILL)
				<-s.Done()
				if err := s.Err(); !strings.Contains(err.Error(), "signal: killed") {
					t.Errorf("the end is called %v", err)
				}
				wantGoneSoon(t, all) // who is killed may be the guard, which then waits for nobody
			})
		}
	})
}

func TestWaitListening(t *testing.T) {
	tests := []struct {
		name    string
		flags   []string
		device  Device
		limit   time.Duration
		is      error
		text    string
		listens bool
	}{
		{"GPU found", []string{"--gpu"}, DeviceAuto, await.Patience, nil, "", false},
		{"no GPU", nil, DeviceAuto, await.Patience, ErrNoGPU, "CUDA libraries", false},
		{"CPU asked for", nil, DeviceCPU, await.Patience, nil, "", false},
		{"exits at once", []string{"--start-fault", "exit"}, DeviceCPU, await.Patience, nil, "exit status 1", false},
		{"says nothing", []string{"--start-fault", "silent"}, DeviceCPU, 50 * time.Millisecond, context.DeadlineExceeded, "no listening address", false},
		{"does not name its device", []string{"--start-fault", "deaf"}, DeviceAuto, 300 * time.Millisecond, context.DeadlineExceeded, "report its compute device", true},
	}
	eachIsolation(t, func(t *testing.T, i Isolation) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				s, record := startFake(t, i, tt.flags...)
				if tt.listens { // on a busy machine that takes longer than the limit
					await.Until(t, "the server to listen", func() bool {
						log, _ := os.ReadFile(filepath.Join(filepath.Dir(record), "server.log"))
						return strings.Contains(string(log), "Listening on")
					})
				}
				ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
				defer cancel()
				err := s.WaitListening(ctx, tt.device)
				if tt.text == "" && err != nil || tt.text != "" && (err == nil || !strings.Contains(err.Error(), tt.text)) {
					t.Errorf("got %v, want %q", err, tt.text)
				}
				if tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("got %v, want %v", err, tt.is)
				}
			})
		}
	})
}

// 128 and the number of a signal stand for the signal; Apptainer ends with 255.
func TestExitCodes(t *testing.T) {
	for _, tt := range []struct{ end, want string }{
		{"exit 3", "the server ended: exit status 3"},
		{"exit 255", "the server ended: exit status 255"},
		{"kill -KILL $$", "the server ended: signal: killed (by the kernel, if the job's memory was used up: ask for more with --mem)"},
		{"exit 143", "the server ended: signal: terminated"}, // a shell whose child was terminated
	} {
		dir := t.TempDir()
		s, err := Start([]string{"sh", "-c", tt.end}, Settings{Models: dir, Isolate: IsolateNever}, dir, filepath.Join(dir, "log"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		<-s.Done()
		if err := s.Err(); err.Error() != "run server: "+tt.want {
			t.Errorf("%s: %v, want %s", tt.end, err, tt.want)
		}
	}
}

func TestStartNamesAMissingProgram(t *testing.T) {
	_, err := Start([]string{"no-such-ollama"}, Settings{}, t.TempDir(), filepath.Join(t.TempDir(), "log"))
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), `"no-such-ollama"`) || !strings.Contains(err.Error(), "--ollama") {
		t.Errorf("got %v, want ErrNotFound with the name and the flag", err)
	}
}

func TestPull(t *testing.T) { eachIsolation(t, testPull) }

func testPull(t *testing.T, i Isolation) {
	s, _ := startFake(t, i)
	c := waitListening(t, s, DeviceCPU)
	var last string
	if err := c.Pull(t.Context(), "new:1b", func(p PullStep) error { last = p.Status; return nil }); err != nil || last != "success" {
		t.Errorf("pull: %v, last status %q", err, last)
	}
	if _, err := c.Describe(t.Context(), "new:1b"); err != nil {
		t.Errorf("after the pull: %v", err)
	}
	s, _ = startFake(t, i, "--pull-error", "no route to host")
	if err := waitListening(t, s, DeviceCPU).Pull(t.Context(), "new:1b", func(PullStep) error { return nil }); err == nil || !strings.Contains(err.Error(), "no route to host") {
		t.Errorf("a pull that fails inside HTTP 200: %v", err)
	}
}
