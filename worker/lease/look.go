package lease

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// Lock is the newest lock of a folder, as somebody finds it who does not want it.
type Lock struct {
	Holder Holder
	Held   bool      // not given free
	Beat   time.Time // when the holder last showed that it lives, by the file system's clock
	// Gone is why the holder cannot be alive, where that is certain at once; empty where it is not.
	Gone string
}

// Look looks at the newest lock and takes none; nil where there has never been one. The error is a FileError.
func Look(dir, prefix string) (*Lock, error) {
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
			continue // the next process took over in between
		}
		if err != nil {
			return nil, &FileError{Path: l.path(s.number), Err: err}
		}
		return &Lock{
			Holder: s.lock.Holder, Held: !s.lock.Released, Beat: info.ModTime(), Gone: s.lock.Gone(Self("", 0)),
		}, nil
	}
}
