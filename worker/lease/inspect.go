package lease

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// Lock is the newest lock of a folder, for readers that do not want the lease.
type Lock struct {
	Holder Holder
	Held   bool      // true until the holder releases the lock
	Beat   time.Time // time of the last heartbeat, by the file system's clock
	// Gone is the reason why the holder is certainly dead; empty if that is not certain.
	Gone string
}

// Inspect returns the newest lock without acquiring it, or nil if there has never been one. The error is a *FileError.
func Inspect(dir, prefix string) (*Lock, error) {
	l := Lease{Options: Options{Dir: dir, Prefix: prefix}}
	for {
		s, err := l.newest()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil || s.number == 0 {
			return nil, err
		}
		info, err := os.Stat(l.path(s.number))
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process took over meanwhile
		}
		if err != nil {
			return nil, &FileError{Path: l.path(s.number), Err: err}
		}
		return &Lock{
			Holder: s.lock.Holder, Held: !s.lock.Released, Beat: info.ModTime(), Gone: s.lock.Gone(Self("", 0)),
		}, nil
	}
}
