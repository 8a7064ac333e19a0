package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"fluxworker/worker/safeopen"
)

// RecordError means that a record in the run folder cannot be read.
type RecordError struct {
	Path    string
	Damaged bool // the file can be read, but its content is not a record: it was cut short or edited
	Err     error
}

func (e *RecordError) Error() string {
	if e.Damaged {
		return fmt.Sprintf("read %s: the record is damaged, maybe cut short (%v)", e.Path, e.Err)
	}
	return fmt.Sprintf("read %s: %v", e.Path, cause(e.Err))
}

func (e *RecordError) Unwrap() error { return e.Err }

// ReadJSON reads the named file in the run folder into v. The error is fs.ErrNotExist or a *RecordError.
func (p Paths) ReadJSON(name string, v any) error {
	path := p.In(name)
	data, err := safeopen.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil:
		return &RecordError{Path: path, Err: err}
	}
	return parseRecord(path, data, v)
}

func parseRecord(path string, data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return &RecordError{Path: path, Damaged: true, Err: err}
	}
	return nil
}

// SetAside renames a damaged record, and returns its new path. Only the holder of the output may call it. The error is a
// *WriteError.
func (p Paths) SetAside(name string) (aside string, _ error) {
	from := p.In(name)
	for n := 1; ; n++ {
		aside = fmt.Sprintf("%s.damaged-%d", from, n)
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return "", &WriteError{Path: aside, Err: err}
		}
	}
	if err := os.Rename(from, aside); err != nil {
		return "", &WriteError{Path: from, Err: err}
	}
	return aside, nil
}
