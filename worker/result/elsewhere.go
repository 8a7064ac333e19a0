package result

import (
	"context"
	"errors"
	"fmt"
)

// ReadAnswered learns which rows have an answer in result files that are not written to by this process: those of another
// split of the same input. Lines that are none are passed over, since their run may be writing them.
func ReadAnswered(ctx context.Context, paths []string) (*Done, error) {
	d := new(Done)
	for _, path := range paths {
		err := eachLine(ctx, realDisk{}, path, func(line []byte) error {
			if key, err := keyOf(line); err == nil && line[len(line)-1] == '\n' {
				d.answered.add(entryOf(key))
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
