package stage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"fluxworker/worker/safeopen"
)

// turn is a task's turn to read. The file of the turn lives as long as tasks want to read the same files: its lock is the turn,
// and a byte in it means that the files were read to their end. The task whose turn ends removes the file, so a task that waits
// holds a file without a name. A task that is killed leaves an empty file without a lock, which the next task uses and removes.
// nil stands for a turn without a file, where no file can be made.
type turn struct{ file *os.File }

// lockPath returns the path of the file of the turn: one for each user and each set of files.
func (c Config) lockPath(files []file) string {
	of := sha256.New()
	for _, f := range files {
		fmt.Fprintf(of, "%s\x00%d\x00", f.path, f.size)
	}
	return filepath.Join(cmp.Or(c.Scratch, os.TempDir()), fmt.Sprintf("fluxworker-stage-%d-%x", os.Geteuid(), of.Sum(nil)[:8]))
}

// pollEvery is the time between two trials of a lock. The kernel has no wait for a lock that a context ends.
const pollEvery = 200 * time.Millisecond

// take waits for a turn. read means that another task has read the files meanwhile. waiting is called when take has to wait. The
// turn is nil when the context ends, and where no lock is to be had: then each task reads for itself.
func take(ctx context.Context, path string, waiting func()) (_ *turn, read bool) {
	for {
		f, err := openOwn(path)
		if err != nil {
			return nil, false
		}
		if !locked(ctx, f, waiting) {
			f.Close()
			return nil, false
		}
		waiting = func() {} // once is enough
		var info unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &info); err != nil {
			f.Close()
			return nil, false
		}
		if info.Size == 0 && info.Nlink > 0 {
			return &turn{f}, false
		}
		f.Close()
		if info.Size > 0 {
			return nil, true
		} // otherwise a task gave up, and tasks wait at another file by now
	}
}

// errNotOwn means that another user made the file: that user could keep this task waiting for ever.
var errNotOwn = errors.New("the file belongs to another user")

func openOwn(path string) (*os.File, error) {
	f, err := safeopen.File(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	var info unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &info); err != nil || info.Uid != uint32(os.Geteuid()) {
		f.Close()
		return nil, errors.Join(err, errNotOwn)
	}
	return f, nil
}

// locked waits for the lock of a file. It returns false when ctx ends, and where the file system has no locks.
func locked(ctx context.Context, f *os.File, waiting func()) bool {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for first := true; ; first = false {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err == nil
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return false
		case <-poll.C:
		}
	}
}

// pass ends a turn. read means that the files were read to their end; otherwise the next task reads them.
func (t *turn) pass(read bool) {
	if t == nil {
		return
	}
	defer t.file.Close()
	if read {
		t.file.Write([]byte{1}) // without the byte the next task reads the files, which only costs time
	}
	os.Remove(t.file.Name())
}
