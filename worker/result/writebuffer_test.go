package result

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fluxworker/test/await"
)

// slowDisk is a disk whose syncs take until they are released, with an error or without.
type slowDisk struct {
	disk
	syncing chan struct{} // gets a token for each sync that begins
	release chan error
}

func (d *slowDisk) Open(path string, flag int, mode fs.FileMode) (file, error) {
	f, err := d.disk.Open(path, flag, mode)
	if err != nil || flag&0x3 == 0 { // not one that is only read
		return f, err
	}
	return &slowFile{file: f, disk: d}, nil
}

func (d *slowDisk) CheckPath(path string, f file, size int64) error {
	return d.disk.CheckPath(path, f.(*slowFile).file, size)
}

type slowFile struct {
	file
	disk *slowDisk
}

func (f *slowFile) Sync() error {
	f.disk.syncing <- struct{}{}
	if err := <-f.disk.release; err != nil {
		return err
	}
	return f.file.Sync()
}

// openSlow opens a log on a slow disk, with a line that is being synced.
func openSlow(t *testing.T) (*Log, *slowDisk) {
	t.Helper()
	d := &slowDisk{disk: newMemoryDisk(), syncing: make(chan struct{}, 1), release: make(chan error)}
	o := options(paths(t))
	o.disk, o.SyncBytes = d, 1
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(row(0, 1), answered("first"), nil); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.syncing:
	case <-time.After(await.Patience):
		t.Fatal("the log never synced its lines")
	}
	return l, d
}

// Rows do not wait for a disk that takes its time, and what they brought meanwhile is written.
func TestAppendDoesNotWaitForASync(t *testing.T) {
	const lines = 5000
	l, d := openSlow(t)
	for range lines {
		if err := l.Append(row(1, 1), answered("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := l.Durable(); n != 0 {
		t.Errorf("%d lines are durable while the first is being synced", n)
	}
	close(d.release)
	go func() { // however many syncs that takes
		for range d.syncing {
		}
	}()
	closeLog(t, l)
	close(d.syncing)
	if n, _ := l.Durable(); n != 1+lines {
		t.Errorf("%d lines are durable, want %d", n, 1+lines)
	}
}

// The waiting lines are limited: further calls wait for the disk, and get its error.
func TestAppendWaitsForSpace(t *testing.T) {
	text := strings.Repeat("x", 1<<20)
	for _, failure := range []error{nil, errors.New("input/output error")} {
		synctest.Test(t, func(t *testing.T) {
			l, d := openSlow(t)
			brought, lines := 0, 2*maxWaiting/len(text)
			var err error
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for ; brought < lines && err == nil; brought++ {
					err = l.Append(row(1, 1), answered(text), nil)
				}
			}()
			synctest.Wait()
			if brought == 0 || brought*len(text) > maxWaiting {
				t.Errorf("%d lines of 1 MiB wait", brought)
			}
			go func() {
				for range d.syncing {
				}
			}()
			if failure != nil {
				d.release <- failure
			} else {
				close(d.release)
			}
			<-ended
			if !errors.Is(err, failure) || (err == nil) != (brought == lines) {
				t.Errorf("%d of %d lines were taken: %v", brought, lines, err)
			}
			if err := l.Close(); !errors.Is(err, failure) {
				t.Errorf("close: %v", err)
			}
			l.Release()
			close(d.syncing)
		})
	}
}
