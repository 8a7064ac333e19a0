package result

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"fluxworker/worker/safeopen"
)

// Lines counts the complete lines of both files without parsing them. A missing file has no lines.
func (p Paths) Lines() (answered, failed int64, err error) {
	return p.CountLines(context.Background(), new(LineCount), new(LineCount))
}

// CountLines is Lines for a caller who counts again and again: the two counts keep what was counted, and the
// next call reads only what a run has appended since. It returns early when ctx ends.
func (p Paths) CountLines(ctx context.Context, ofResults, ofErrors *LineCount) (answered, failed int64, err error) {
	if answered, err = ofResults.count(ctx, p.Results); err == nil {
		failed, err = ofErrors.count(ctx, p.Errors)
	}
	return answered, failed, err
}

// LineCount is the number of lines in the part of a file that was read. The zero value has read nothing.
type LineCount struct {
	file  os.FileInfo
	end   int64 // of the last complete line, in bytes; a run may cut what comes after it
	lines int64
}

func (c *LineCount) count(ctx context.Context, path string) (lines int64, _ error) {
	f, err := safeopen.Named(path)
	if errors.Is(err, fs.ErrNotExist) {
		*c = LineCount{}
		return 0, nil
	}
	if err == nil {
		defer f.Close()
		err = c.goOn(ctx, f)
	}
	if err != nil {
		return 0, fmt.Errorf("count lines: %w", err)
	}
	return c.lines, nil
}

// goOn counts the lines after those that are counted. A run replaces a file to remove lines; such a file is counted anew.
func (c *LineCount) goOn(ctx context.Context, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if c.file == nil || !os.SameFile(c.file, info) || info.Size() < c.end {
		*c = LineCount{file: info}
	}
	at, buffer := c.end, make([]byte, 256<<10)
	for ctx.Err() == nil {
		k, err := f.ReadAt(buffer, at)
		if last := bytes.LastIndexByte(buffer[:k], '\n'); last >= 0 {
			c.lines += int64(bytes.Count(buffer[:k], []byte("\n")))
			c.end = at + int64(last) + 1
		}
		at += int64(k)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
