package result

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"fluxworker/worker/safeopen"
)

// ReadAnswered returns the rows with an answer in result files of other runs, for example of another split of the same
// input. It ignores invalid lines, because a run may be writing them.
func ReadAnswered(ctx context.Context, paths []string) (*Done, error) {
	d := new(Done)
	for _, path := range paths {
		err := eachNamedLine(ctx, path, func(line parsed) error {
			if line.err == nil && line.whole() {
				d.answered.add(line)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	d.seal()
	return d, nil
}

// eachNamedLine calls do for each line of a file that the user named, until do returns an error.
func eachNamedLine(ctx context.Context, path string, do func(parsed) error) error {
	f, err := safeopen.Named(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, cause(err))
	}
	defer f.Close()
	return newScanner().each(ctx, f, path, do)
}

// Holds says what a file holds, judged by its first result line.
type Holds int

// What a file holds.
const (
	Nothing  Holds = iota // no byte; or no complete line yet, where a run writes the file
	Answers               // answers of a run
	Failures              // failures of a run
	Other                 // lines, but no result line: no run wrote the file
)

// errFound ends the reading of a file.
var errFound = errors.New("found")

// HeldBy reads a file up to its first result line. A file that does not exist holds Nothing.
func HeldBy(ctx context.Context, path string) (Holds, error) {
	holds := Nothing
	err := eachNamedLine(ctx, path, func(line parsed) error {
		switch {
		case line.err == nil && isAnswer(line.text):
			holds = Answers
		case line.err == nil:
			holds = Failures
		case broken(line.text):
			return nil
		default:
			holds = Other
			return nil
		}
		return errFound
	})
	if errors.Is(err, errFound) || errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return holds, err
}

// isAnswer reports whether a result line is an answer.
func isAnswer(text []byte) bool {
	var l Line
	return json.Unmarshal(text, &l) == nil && l.ok()
}
