package result

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"fluxworker/worker/safeopen"
)

// Lines counts the complete lines of both files without parsing them. A missing file has no lines.
func (p Paths) Lines() (answered, failed int64, err error) {
	if answered, err = countLines(p.Results); err == nil {
		failed, err = countLines(p.Errors)
	}
	return answered, failed, err
}

func countLines(path string) (n int64, _ error) {
	f, err := safeopen.Named(path)
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
