package result

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Lock is the lock of an output, as somebody finds it who does not want it.
type Lock struct {
	Holder Holder
	Held   bool      // not given free
	Beat   time.Time // when the holder last showed that it lives, by the file system's clock
	// Gone is why the holder cannot be alive, where that is certain at once; empty where it is not.
	Gone string
}

// Lock looks at the newest lock and takes none; nil where no run has ever written here.
func (p Paths) Lock() (*Lock, error) {
	l := lease{paths: p}
	for {
		s, err := l.newest()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the lock of %s: %w", p.Results, cause(errors.Unwrap(err)))
		}
		if s.number == 0 {
			return nil, nil
		}
		info, err := os.Stat(l.path(s.number))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the next run took over in between
		}
		if err != nil {
			return nil, fmt.Errorf("read the lock of %s: %w", p.Results, cause(err))
		}
		return &Lock{
			Holder: s.lock.Holder, Held: !s.lock.Released, Beat: info.ModTime(), Gone: s.lock.gone(Self("", 0)),
		}, nil
	}
}

// Lines counts the lines of both files, without a look at what they hold. One that is being written is none yet.
func (p Paths) Lines() (answered, failed int64, err error) {
	if answered, err = countLines(p.Results); err == nil {
		failed, err = countLines(p.Errors)
	}
	return answered, failed, err
}

func countLines(path string) (n int64, _ error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("count lines: %w", err)
	}
	defer f.Close()
	buffer := make([]byte, 256<<10)
	for {
		k, err := f.Read(buffer)
		n += int64(bytes.Count(buffer[:k], []byte("\n")))
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("count lines: %w", err)
		}
	}
}
