package lease

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// never is a stale time that no test waits for.
const never = time.Hour

// brief is long enough for a holder's heartbeats to be seen, and short enough to be waited for.
const brief = 600 * time.Millisecond

// options returns the options of a process that wants the folder.
func options(dir string, self Holder, stale time.Duration) Options {
	return Options{Dir: dir, Prefix: "lock.", Mode: 0o600, Self: self, Stale: stale}
}

func take(ctx context.Context, dir string, self Holder, stale time.Duration) (*Lease, error) {
	return Acquire(ctx, options(dir, self, stale))
}

// put writes a lock as an earlier holder would have left it.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// leave puts a lock into the folder as an earlier holder would have left it.
func leave(t *testing.T, dir string, l lock) {
	t.Helper()
	data, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "lock.000007", string(data))
}

// elsewhere is a holder on another node.
func elsewhere(job string, restart int) Holder {
	return Holder{Host: "n2", PID: 1, Job: job, Restart: restart, Node: "another boot", Began: "1", Nonce: "x"}
}

func TestTakesOverAtOnce(t *testing.T) {
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
			dir := t.TempDir()
			leave(t, dir, lock{Holder: tt.holder, Released: tt.freed})
			l, err := take(t.Context(), dir, tt.self, never)
			if err != nil {
				t.Fatal(err)
			}
			locks, _ := filepath.Glob(filepath.Join(dir, "lock.*"))
			if len(locks) != 1 || locks[0] != filepath.Join(dir, "lock.000008") {
				t.Errorf("locks %v, want the next number alone", locks)
			}
			l.Release()
		})
	}
}

// A process that was killed while it made its lock has left a file, which the next holder removes.
func TestTheDeadLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, ".lock.2SCJ4LCFN7WCYPQCMEYDKWLS6G", "{")
	l, err := take(t.Context(), dir, Self("", 0), never)
	if err != nil {
		t.Fatal(err)
	}
	l.Release()
	if left, _ := filepath.Glob(filepath.Join(dir, ".lock*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Acquire waits for a holder without a sign of life and then takes over. An unreadable lock shows no sign of life.
func TestTakesOverWhatIsStale(t *testing.T) {
	for name, text := range map[string]string{
		"another node's":                  `{"host":"n2","pid":1,"node":"another boot","began":"1","nonce":"x","beat":4}`,
		"zeros":                           "\x00\x00\x00",
		"nothing":                         "",
		"a later restart of the same job": `{"host":"n2","pid":1,"job":"12_3","restart":5,"node":"another boot","nonce":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put(t, dir, "lock.000001", text)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := take(ctx, dir, Self("12_3", 1), never); !errors.Is(err, context.Canceled) {
				t.Errorf("at once: %v, want to wait", err)
			}
			l, err := take(t.Context(), dir, Self("12_3", 1), brief)
			if err != nil {
				t.Fatal(err)
			}
			l.Release()
		})
	}
}

// A process that hangs between two looks at a lock, or whose file server hangs, has not seen the holder silent meanwhile.
func TestAHangIsNoSilence(t *testing.T) {
	dir := t.TempDir()
	leave(t, dir, lock{Holder: elsewhere("", 0)})
	o := options(dir, Self("", 0), brief)
	var resumed time.Time
	o.OnWait = func(Holder) {
		time.Sleep(2 * brief) // the hang, between the first look and the second
		resumed = time.Now()
	}
	l, err := Acquire(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if watched := time.Since(resumed); watched < brief/2 { // a busy machine can only make this longer
		t.Errorf("took the lock over %s after the hang, want to watch it for %s", watched, brief)
	}
}

// Of many that find the same dead holder one gets the folder.
func TestOneOfManyTakesOver(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		leave(t, dir, lock{Holder: elsewhere("12", 0)})
		ctx, cancel := context.WithCancel(t.Context())
		var got atomic.Int64
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				l, err := take(ctx, dir, Self("12", 1), never)
				if errors.Is(err, context.Canceled) {
					return // the others wait
				}
				if err != nil {
					t.Error(err)
					return
				}
				got.Add(1)
				cancel()
				l.Release()
			})
		}
		all.Wait()
		if got.Load() == 0 {
			t.Fatal("nobody got the folder")
		}
		cancel()
		left, _ := filepath.Glob(filepath.Join(dir, ".lock*"))
		locks, _ := filepath.Glob(filepath.Join(dir, "lock*"))
		if len(left) > 0 || len(locks) != 1 {
			t.Fatalf("left behind %v and %v", left, locks)
		}
	}
}

// Two processes after one another, often and from many sides, never hold the folder together.
func TestNeverTwoAtOnce(t *testing.T) {
	dir := t.TempDir()
	var inside atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				l, err := take(t.Context(), dir, Self("", 0), never)
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					t.Error("two hold the folder")
				}
				inside.Add(-1)
				l.Release()
			}
		})
	}
	all.Wait()
}

// A patient one waits for a holder that lives, far longer than the stale time, and is told once who that is.
func TestAPatientOneWaitsForAHolderThatLives(t *testing.T) {
	dir := t.TempDir()
	first, err := take(t.Context(), dir, Self("12_3", 0), brief)
	if err != nil {
		t.Fatal(err)
	}
	var waited []Holder
	o := options(dir, elsewhere("", 0), brief)
	o.Patient, o.OnWait = true, func(h Holder) { waited = append(waited, h) }
	ctx, cancel := context.WithTimeout(t.Context(), 3*brief)
	defer cancel()
	if l, err := Acquire(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, %v while the holder lives", l, err)
	}
	if len(waited) != 1 || waited[0].Job != "12_3" {
		t.Errorf("was told of %v", waited)
	}
	go first.Release()
	second, err := Acquire(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	second.Release()
	if l, err := Inspect(dir, "lock."); err != nil || l == nil || l.Held || l.Holder.Host != "n2" {
		t.Errorf("the lock is %+v, %v", l, err)
	}
}

// An impatient one does not wait for it longer than that.
func TestAHolderThatLivesIsNamed(t *testing.T) {
	dir := t.TempDir()
	first, err := take(t.Context(), dir, Self("", 0), brief)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Release()
	var held *HeldError
	if _, err := take(t.Context(), dir, elsewhere("", 0), brief); !errors.As(err, &held) || held.Holder.PID != os.Getpid() {
		t.Errorf("got %v, want a HeldError that names this process", err)
	}
}
