package result

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"fluxworker/worker/prompt"
)

// Done knows the rows that already have their line. It costs about 32 bytes a row.
type Done struct {
	requests map[[8]byte][8]byte // name half of the key -> request half
	OK       int64               // lines in the results file
	Failed   int64               // lines in the errors file
}

// State of a row against the lines on disk.
type State int

// The states of a row.
const (
	New      State = iota // no line yet
	Answered              // this very request has its line
	Changed               // a line has the row's name but another request
)

// State looks a row up.
func (d *Done) State(k prompt.Key) State {
	request, ok := d.requests[k.Name()]
	switch {
	case !ok:
		return New
	case request == [8]byte(k[8:]):
		return Answered
	default:
		return Changed
	}
}

// CorruptError is a line in the middle of a result file that is none. Open does not repair it: cutting there would
// throw away the good lines behind it.
type CorruptError struct {
	Path   string
	Line   int64
	Offset int64 // of the line's first byte
	Err    error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("read %s:%d (byte %d): not a result line: %v; remove the line and run the same command again, its row is then answered anew",
		e.Path, e.Line, e.Offset, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// recoverFile reads the lines of f, notes their keys in d, cuts an unterminated last line and leaves f at its end. A
// file made by a process that was killed ends in such a line when the kill fell into its write.
func (d *Done) recoverFile(f *os.File, path string) (lines int64, err error) {
	r := bufio.NewReaderSize(f, 1<<20)
	var offset int64
	for {
		line, err := readLine(r)
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				if err := f.Truncate(offset); err != nil {
					return lines, &WriteError{Path: path, Err: err}
				}
			}
			_, err := f.Seek(offset, io.SeekStart)
			return lines, err
		}
		if err != nil {
			return lines, fmt.Errorf("read %s: %w", path, err)
		}
		key, err := keyOf(line)
		if err != nil {
			return lines, &CorruptError{Path: path, Line: lines + 1, Offset: offset, Err: err}
		}
		d.requests[key.Name()] = [8]byte(key[8:])
		offset += int64(len(line))
		lines++
	}
}

// readLine returns the next line with its newline; io.EOF comes with whatever is left without one. The slice is valid
// until the next call unless the line was longer than the reader's buffer.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	long := append([]byte(nil), line...)
	rest, err := r.ReadBytes('\n')
	return append(long, rest...), err
}

// keyOf takes the key out of a line and checks that the line is whole.
func keyOf(line []byte) (prompt.Key, error) {
	var l struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return prompt.Key{}, err
	}
	return prompt.ParseKey(l.ID)
}
