package result

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// never is a stale time that no test waits for.
const never = time.Hour

// brief is long enough for a holder's heartbeats to be seen, and short enough to be waited for.
const brief = 600 * time.Millisecond

// openAs opens the output as another process would.
func openAs(ctx context.Context, p Paths, self Holder, stale time.Duration) (*Log, error) {
	o := options(p)
	o.Self, o.Stale = self, stale
	return Open(ctx, o)
}

// leave puts a lock into the run folder as an earlier holder would have left it.
func leave(t *testing.T, p Paths, l lock) {
	t.Helper()
	data, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	put(t, p.In("lock.000007"), string(data))
}

// elsewhere is a holder on another node.
func elsewhere(job string, restart int) Holder {
	return Holder{Host: "n2", PID: 1, Job: job, Restart: restart, Node: "another boot", Began: "1", Nonce: "x"}
}

func TestOpenRefusesAHeldOutput(t *testing.T) {
	p := paths(t)
	first, _ := open(t, p)
	defer closeLog(t, first)
	beating := options(p) // the first one's heartbeats are an hour apart, and it lives: its lock must be seen to change
	beating.Stale = brief
	stop := make(chan struct{})
	var beats sync.WaitGroup
	beats.Go(func() {
		for {
			select {
			case <-time.After(brief / 6):
				first.lease.lock.Beat++
				first.lease.update()
			case <-stop:
				return
			}
		}
	})
	defer func() { close(stop); beats.Wait() }()
	var waited Holder
	beating.OnWait = func(h Holder) { waited = h }
	_, err := Open(t.Context(), beating)
	var held *HeldError
	if !errors.As(err, &held) || !errors.Is(err, ErrHeld) || held.Holder.PID != os.Getpid() || waited.PID != os.Getpid() {
		t.Fatalf("second open: %v, want a HeldError that names this process", err)
	}
	if !strings.Contains(err.Error(), p.Results) || !strings.Contains(err.Error(), held.Holder.Host) {
		t.Errorf("the message lacks the output or the host: %v", err)
	}

	alias := p.Results + "-alias.jsonl"
	if err := os.Symlink(p.Results, alias); err != nil {
		t.Fatal(err)
	}
	other, err := PathsOf(alias, Shard{})
	if err != nil {
		t.Fatal(err)
	}
	beating.Paths = other
	if _, err := Open(t.Context(), beating); !errors.Is(err, ErrHeld) {
		t.Errorf("open by another name: %v, want ErrHeld", err)
	}
	if !p.Contain(alias) || p.Contain(p.Run) {
		t.Error("Contain does not know the file by its other name")
	}
}

func TestOpenTakesOverAtOnce(t *testing.T) {
	ended := exec.Command("sleep", "60")
	if err := ended.Start(); err != nil {
		t.Fatal(err)
	}
	dead := Self("", 0)
	dead.PID = ended.Process.Pid
	dead.Began, _ = startOf(dead.PID)
	ended.Process.Kill()
	ended.Wait()
	reused := Self("", 0)
	reused.Began = "1"
	for _, tt := range []struct {
		name   string
		holder Holder
		freed  bool
		self   Holder
	}{
		{"given free", elsewhere("", 0), true, Self("", 0)},
		{"a process of this node that is gone", dead, false, Self("", 0)},
		{"a process whose number another one has now", reused, false, Self("", 0)},
		{"the same job before its restart", elsewhere("12_3", 0), false, Self("12_3", 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := paths(t)
			leave(t, p, lock{Holder: tt.holder, Released: tt.freed})
			l, err := openAs(t.Context(), p, tt.self, never)
			if err != nil {
				t.Fatal(err)
			}
			locks, _ := filepath.Glob(p.In("lock.*"))
			if len(locks) != 1 || locks[0] != p.In("lock.000008") {
				t.Errorf("locks %v, want the next number alone", locks)
			}
			closeLog(t, l)
		})
	}
}

// Whoever shows no sign of life is waited for, and then taken over. What cannot be read shows none.
func TestOpenTakesOverWhatIsStale(t *testing.T) {
	for name, text := range map[string]string{
		"another node's":                  `{"host":"n2","pid":1,"node":"another boot","began":"1","nonce":"x","beat":4}`,
		"zeros":                           "\x00\x00\x00",
		"nothing":                         "",
		"a later restart of the same job": `{"host":"n2","pid":1,"job":"12_3","restart":5,"node":"another boot","nonce":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := paths(t)
			put(t, p.In("lock.000001"), text)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := openAs(ctx, p, Self("12_3", 1), never); !errors.Is(err, context.Canceled) {
				t.Errorf("at once: %v, want to wait", err)
			}
			l, err := openAs(t.Context(), p, Self("12_3", 1), brief)
			if err != nil {
				t.Fatal(err)
			}
			closeLog(t, l)
		})
	}
}

// A holder that was held up, and comes back after another has taken over, writes nothing that counts.
func TestTheOldHolderNotices(t *testing.T) {
	p := paths(t)
	old, err := openAs(t.Context(), p, Self("12", 0), never)
	if err != nil {
		t.Fatal(err)
	}
	now, err := openAs(t.Context(), p, Self("12", 1), never)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Append(row(1, 1), answered("x"), nil); err != nil {
		t.Fatal(err)
	}
	var held *HeldError
	if err := old.Close(); !errors.As(err, &held) || held.Holder.Restart != 1 {
		t.Errorf("the old holder ends with %v, want a HeldError that names the new one", err)
	}
	if n, _ := old.Durable(); n != 0 {
		t.Errorf("%d lines count as durable", n)
	}
	old.Release() // which must not free what is not its own
	if err := now.lease.check(); err != nil {
		t.Errorf("the new holder: %v", err)
	}
	closeLog(t, now)
}

func TestALockThatWasRemovedIsLost(t *testing.T) {
	p := paths(t)
	l, _ := open(t, p)
	locks, _ := filepath.Glob(p.In("lock.*"))
	for _, path := range locks {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Append(row(1, 1), answered("x"), nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "removed our lock") {
		t.Errorf("got %v, want ErrHeld", err)
	}
	l.Release()
}

// Of many that find the same dead holder one gets the output.
func TestOneOfManyTakesOver(t *testing.T) {
	for range 20 {
		p := paths(t)
		leave(t, p, lock{Holder: elsewhere("12", 0)})
		ctx, cancel := context.WithCancel(t.Context())
		var got atomic.Int64
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				l, err := openAs(ctx, p, Self("12", 1), never)
				if errors.Is(err, context.Canceled) {
					return // the others wait
				}
				if err != nil {
					t.Error(err)
					return
				}
				got.Add(1)
				cancel()
				closeLog(t, l)
			})
		}
		all.Wait()
		if got.Load() == 0 {
			t.Fatal("nobody got the output")
		}
		cancel()
		left, _ := filepath.Glob(p.In(".lock*"))
		locks, _ := filepath.Glob(p.In("lock*"))
		if len(left) > 0 || len(locks) != 1 {
			t.Fatalf("left behind %v and %v", left, locks)
		}
	}
}

// Two runs after one another, often and from many sides, never hold the output together.
func TestNeverTwoAtOnce(t *testing.T) {
	p := paths(t)
	var inside atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				l, err := openAs(t.Context(), p, Self("", 0), never)
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					t.Error("two hold the output")
				}
				inside.Add(-1)
				closeLog(t, l)
			}
		})
	}
	all.Wait()
}
