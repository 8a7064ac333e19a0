package result

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"fluxworker/worker/prompt"
)

// Done knows the rows that already have their line. It costs about 32 bytes a row.
type Done struct {
	requests map[[8]byte][8]byte  // name half of the key -> request half
	failed   map[[8]byte]struct{} // name halves of those whose line is in the errors file
}

// State of a row against the lines on disk.
type State int

// The states of a row.
const (
	New      State = iota // no line yet
	Answered              // this very request has its line in the results
	Failed                // this very request has its line in the errors
	Changed               // a line has the row's name but another request
)

// State looks a row up.
func (d *Done) State(k prompt.Key) State {
	request, ok := d.requests[k.Name()]
	switch {
	case !ok:
		return New
	case request != [8]byte(k[8:]):
		return Changed
	}
	if _, failed := d.failed[k.Name()]; failed {
		return Failed
	}
	return Answered
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

// checkEvery is after how many lines a scan looks whether it is to be given up.
const checkEvery = 1024

// recoverFile reads the lines of f, hands their keys to note, cuts an unterminated last line and leaves f at its end. A
// file made by a process that was killed ends in such a line when the kill fell into its write.
func recoverFile(ctx context.Context, f *os.File, path string, note func(prompt.Key)) error {
	r := bufio.NewReaderSize(f, 1<<20)
	var offset, lines int64
	for {
		if lines%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		line, err := readLine(r)
		corrupt := func(err error) error {
			return &CorruptError{Path: path, Line: lines + 1, Offset: offset, Err: err}
		}
		if errors.Is(err, io.EOF) {
			if len(line) == 0 {
				return nil
			}
			if !torn(line) {
				return corrupt(errors.New("it has no line end, and does not begin like one of ours"))
			}
			if err := f.Truncate(offset); err != nil {
				return &WriteError{Path: path, Err: err}
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		key, err := keyOf(line)
		if err != nil {
			return corrupt(err)
		}
		note(key)
		offset += int64(len(line))
		lines++
	}
}

// torn tells whether an unterminated tail can be the beginning of a line of ours, or the zeros that a power cut leaves
// where data had not reached the disk. Anything else is somebody's own text, which is not ours to cut.
func torn(tail []byte) bool {
	const start = `{"id":"batch_req_`
	n := min(len(start), len(tail))
	return string(tail[:n]) == start[:n] || len(bytes.Trim(tail, "\x00")) == 0
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
