package result

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluxworker/worker/lease"
)

// never is a stale time that no test waits for.
const never = time.Hour

// brief is long enough for a holder's heartbeats to be seen, and short enough to be waited for.
const brief = 600 * time.Millisecond

// openAs opens the output as another process would.
func openAs(ctx context.Context, p Paths, self lease.Holder, stale time.Duration) (*Log, error) {
	o := options(p)
	o.Self, o.Stale = self, stale
	return Open(ctx, o)
}

func TestOpenRefusesAHeldOutput(t *testing.T) {
	p := paths(t)
	first, err := openAs(t.Context(), p, lease.Self("", 0), brief)
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog(t, first)
	second := options(p)
	second.Stale = brief
	var waited lease.Holder
	second.OnWait = func(h lease.Holder) { waited = h }
	_, err = Open(t.Context(), second)
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
	second.Paths = other
	if _, err := Open(t.Context(), second); !errors.Is(err, ErrHeld) {
		t.Errorf("open by another name: %v, want ErrHeld", err)
	}
	if !p.Contains(alias) || p.Contains(p.Run) {
		t.Error("Contains does not know the file by its other name")
	}
}

// A holder that was held up, and comes back after another has taken over, writes nothing that counts.
func TestTheOldHolderNotices(t *testing.T) {
	p := paths(t)
	old, err := openAs(t.Context(), p, lease.Self("12", 0), never)
	if err != nil {
		t.Fatal(err)
	}
	now, err := openAs(t.Context(), p, lease.Self("12", 1), never)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*Log{now, old} { // both answer the same row
		if err := l.Append(row(1, 1), answered("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	var held *HeldError
	if err := old.Close(); !errors.As(err, &held) || held.Holder.Restart != 1 {
		t.Errorf("the old holder ends with %v, want a HeldError that names the new one", err)
	}
	if n, _ := old.Durable(); n != 0 {
		t.Errorf("%d lines count as durable", n)
	}
	old.Release() // which must not free what is not its own
	if err := now.hold.check(); err != nil {
		t.Errorf("the new holder: %v", err)
	}
	closeLog(t, now)
	if got := get(t, p.Results); got != lineOf(t, 1, 1) {
		t.Errorf("the results hold %q, want the new holder's line alone", got)
	}
}

// Nor does it take away what the new holder has written, should its own disk fail it.
func TestTheOldHolderCutsNothing(t *testing.T) {
	p := paths(t)
	o := options(p)
	o.Self, o.disk = lease.Self("12", 0), &fullDisk{disk: realDisk{}, room: 0, err: syscall.ENOSPC}
	old, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	now, err := openAs(t.Context(), p, lease.Self("12", 1), never)
	if err != nil {
		t.Fatal(err)
	}
	if err := now.Append(row(1, 1), answered("x"), nil); err != nil {
		t.Fatal(err)
	}
	closeLog(t, now)
	if err := old.Append(row(2, 2), answered("x"), nil); err != nil {
		t.Fatal(err)
	}
	// The write failed, but the cause to name is the new holder: on NFS the file that it replaced is a stale handle.
	if err := old.Close(); !errors.Is(err, ErrHeld) {
		t.Errorf("got %v, want ErrHeld", err)
	}
	old.Release()
	if got := get(t, p.Results); got != lineOf(t, 1, 1) {
		t.Errorf("the results hold %q, want what the new holder wrote", got)
	}
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
	if err := l.Close(); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "our lock was removed") {
		t.Errorf("got %v, want ErrHeld", err)
	}
	l.Release()
}
