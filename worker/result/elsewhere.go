package result

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// ReadAnswered returns the rows with an answer in result files of other runs, for example of another split of the same
// input. It ignores invalid lines, because a run may be writing them.
func ReadAnswered(ctx context.Context, paths []string) (*Done, error) {
	d := new(Done)
	for _, path := range paths {
		err := eachLine(ctx, realDisk{}, path, func(line parsed) error {
			if line.err == nil && line.whole() {
				d.answered.add(line)
			}
			return nil
		})
		var unreadable *WriteError
		if errors.As(err, &unreadable) {
			err = fmt.Errorf("read %s: %w", path, cause(unreadable.Err))
		}
		if err != nil {
			return nil, err
		}
	}
	d.seal()
	return d, nil
}

// HoldsAnswers reports whether a file contains answers, judged by its first line: a file pattern for answers may match
// files of failures, too.
func HoldsAnswers(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	first, err := bufio.NewReaderSize(f, 1<<16).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	var l Line
	return json.Unmarshal(first, &l) == nil && l.ok(), nil
}
