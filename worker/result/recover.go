package result

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// CorruptError is an output file that holds lines but no result line. Open does not change it: it may be a user's own
// file.
type CorruptError struct {
	Path   string
	Line   int64
	Offset int64 // offset of the line's first byte
	Err    error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("read %s:%d (byte %d): not a result line: %v; the file is not the output of a run and stays as it is; choose another --output",
		e.Path, e.Line, e.Offset, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// Repair describes the repairs of one file.
type Repair struct {
	Path       string
	Torn       int64  // size in bytes of an unterminated last line, which was cut
	Damaged    int64  // number of invalid lines, moved to Aside; their rows have no line now
	Duplicates int64  // number of second lines of a row, moved to Aside
	Aside      string // the file with the moved lines; empty if no line was moved
}

// recoverAll reads both files, repairs the damage of a kill or power cut, and finds the done rows.
func (l *Log) recoverAll(ctx context.Context) error {
	found := make(map[*stream]scanned, 2)
	for _, s := range l.streams() {
		c, err := l.scan(ctx, s)
		if err != nil {
			return err
		}
		found[s] = c
	}
	twice := l.done.seal()
	for _, s := range l.streams() {
		if err := l.repair(ctx, s, found[s], twice); err != nil {
			return err
		}
	}
	if l.hold.lease.Uncertain {
		return l.fence(ctx)
	}
	return nil
}

// fence replaces both files by copies. If the former holder resumes before it notices that it lost the output, it
// writes to files that nobody reads.
func (l *Log) fence(ctx context.Context) error {
	for _, s := range l.streams() {
		all := func(line parsed) ([]byte, error) { return line.text, nil }
		if err := l.rewrite(ctx, s, all, l.hold.check); err != nil {
			return err
		}
	}
	return nil
}

// scanned is the content of one file.
type scanned struct {
	size    int64 // up to the end of the last complete line
	damaged int64 // number of complete lines that are not result lines
	tail    int64 // number of bytes after the last line end
	foreign bool  // true if no run can have left the tail
}

// scan reads a file and adds its keys to the done rows.
func (l *Log) scan(ctx context.Context, s *stream) (scanned, error) {
	var c scanned
	var odd *CorruptError // the first line that no run can have written
	lines, ours := int64(0), int64(0)
	err := eachLine(ctx, l.disk, s.path, func(line parsed) error {
		lines++
		err := line.err
		switch {
		case !line.whole():
			c.tail, c.foreign = int64(len(line.text)), !broken(line.text)
		case err == nil:
			ours++
			s.keys.add(line)
		default:
			c.damaged++
		}
		if err == nil && !line.whole() {
			err = errors.New("it has no line end")
		}
		if err != nil && !broken(line.text) && odd == nil {
			odd = &CorruptError{Path: s.path, Line: lines, Offset: c.size, Err: err}
		}
		if line.whole() {
			c.size += int64(len(line.text))
		}
		return nil
	})
	if err == nil && ours == 0 && odd != nil {
		err = odd
	}
	return c, err
}

// repair cuts an unterminated last line, which a kill during a write leaves, and removes invalid lines and second lines
// of a row.
func (l *Log) repair(ctx context.Context, s *stream, c scanned, twice map[uint64]bool) error {
	r := Repair{Path: s.path}
	if c.tail > 0 && !c.foreign {
		if err := s.file.Truncate(c.size); err != nil {
			return &WriteError{Path: s.path, Err: err}
		}
		r.Torn = c.tail
	}
	s.size = c.size
	if c.damaged > 0 || c.foreign && c.tail > 0 || len(twice) > 0 {
		if err := l.setAside(ctx, s, twice, &r); err != nil {
			return err
		}
	}
	if r.Torn+r.Damaged+r.Duplicates > 0 {
		l.repairs = append(l.repairs, r)
	}
	return nil
}

// setAside rewrites a file without invalid and second lines. It first syncs these lines to a file in the run folder.
func (l *Log) setAside(ctx context.Context, s *stream, twice map[uint64]bool, r *Repair) error {
	path := l.paths.In("damaged.jsonl")
	aside, err := l.disk.Open(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, l.paths.mode())
	if err != nil {
		return &WriteError{Path: path, Err: err}
	}
	defer aside.Close()
	move := func(line []byte, count *int64) error {
		*count++
		if line[len(line)-1] != '\n' {
			line = append(line[:len(line):len(line)], '\n')
		}
		if _, err := aside.Write(line); err != nil {
			return &WriteError{Path: path, Err: err}
		}
		return nil
	}
	kept := l.kept
	err = l.rewrite(ctx, s, func(line parsed) ([]byte, error) {
		if line.err != nil || !line.whole() {
			return nil, move(line.text, &r.Damaged)
		}
		name := entryOf(line.key).name
		if !twice[name] {
			return line.text, nil
		}
		if kept[name] {
			return nil, move(line.text, &r.Duplicates)
		}
		kept[name] = true
		return line.text, nil
	}, func() error {
		if err := aside.Sync(); err != nil {
			return &WriteError{Path: path, Err: err}
		}
		return l.hold.check()
	})
	if err != nil {
		return err
	}
	if r.Damaged+r.Duplicates > 0 {
		r.Aside = path
	}
	return nil
}

// rewrite replaces a file by a copy with the lines as edit returns them, without those for which edit returns nil, and
// replaces its keys. It calls before after the last line and before the rename.
func (l *Log) rewrite(ctx context.Context, s *stream, edit func(parsed) ([]byte, error), before func() error) error {
	size := int64(0)
	left := new(fileKeys)
	err := replace(l.disk, s.path, l.paths.mode(), func(w io.Writer) error {
		out := bufio.NewWriterSize(w, 1<<20)
		err := eachLine(ctx, l.disk, s.path, func(line parsed) error {
			text, err := edit(line)
			if err != nil || text == nil {
				return err
			}
			if line.err != nil {
				return line.err
			}
			if &text[0] != &line.text[0] {
				line.place = statedPlace(text)
			}
			left.add(line)
			size += int64(len(text))
			_, err = out.Write(text)
			return err
		})
		if err == nil {
			err = out.Flush()
		}
		if err == nil {
			err = before()
		}
		return err
	})
	if err != nil {
		return err
	}
	s.file.Close()
	if s.file, err = l.openStream(s.path); err != nil {
		return err
	}
	left.seal()
	*s.keys, s.size = *left, size
	return nil
}

// broken reports whether an invalid line can be the rest of a result line: its start, up to the zeros that a power cut
// leaves for unwritten data. Any other text is a user's own, also in a file with zeros, such as a database.
func broken(line []byte) bool {
	line, _, _ = bytes.Cut(line, []byte{0})
	n := min(len(lineStart), len(line))
	return string(line[:n]) == lineStart[:n]
}
