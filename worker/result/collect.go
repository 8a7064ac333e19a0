package result

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"fluxworker/worker/safeopen"
)

// Damage describes the invalid parts of a file. Readers ignore them; the next run with this output repairs them.
type Damage struct {
	Path  string
	Lines int64 // number of complete lines that are not result lines
	First int64 // the first of them, from 1
	Torn  int64 // size in bytes of an unterminated last line: a run is writing it, or was killed while writing it
}

// collection holds the open files of an output's parts and the location of each row's line. Later changes of the files
// by a run do not matter: a run only appends, or replaces a file by another one.
type collection struct {
	parts  []Part
	files  [2][]*os.File // answers and failures, by part; nil if a part has no lines
	index  index
	damage []Damage

	mu sync.Mutex // guards index and damage while files are read
}

// entryBatch is the number of entries that are added to the index at once.
const entryBatch = 512

// collect reads all files of the parts, several at the same time.
func collect(ctx context.Context, parts []Part) (*collection, error) {
	if len(parts) > maxParts {
		return nil, fmt.Errorf("the output has %d shards; %d are the most", len(parts), maxParts)
	}
	c := &collection{parts: parts}
	lines := newScanner()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for kind := range c.files {
		c.files[kind] = make([]*os.File, len(parts))
		for part := range parts {
			g.Go(func() error { return c.scan(ctx, lines, kind, part) })
		}
	}
	if err := g.Wait(); err != nil {
		c.close()
		return nil, err
	}
	c.index.seal()
	return c, nil
}

// path returns the path of a part's file: kind 0 for answers, 1 for failures.
func (c *collection) path(kind, part int) string {
	if kind == 0 {
		return c.parts[part].Paths.Results
	}
	return c.parts[part].Paths.Errors
}

// scan reads one file. The file stays open if it has lines.
func (c *collection) scan(ctx context.Context, s *scanner, kind, part int) error {
	path := c.path(kind, part)
	f, err := safeopen.Named(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read results: %w", err)
	}
	c.files[kind][part] = f
	d := Damage{Path: path}
	entries := make([]entry, 0, entryBatch)
	lines, offset, ours := int64(0), int64(0), false
	err = s.each(ctx, f, path, func(line parsed) error {
		lines++
		switch {
		case !line.whole():
			d.Torn = int64(len(line.text))
		case line.err != nil:
			if d.Lines++; d.Lines == 1 {
				d.First = lines
			}
		default:
			ours = true
			entries = append(entries, entry{name: entryOf(line.key).name, request: uint64(locationOf(kind == 1, part, offset))})
		}
		if len(entries) == entryBatch {
			c.add(entries)
			entries = entries[:0]
		}
		offset += int64(len(line.text))
		return nil
	})
	if err != nil {
		return err
	}
	c.add(entries)
	if d.Lines > 0 || d.Torn > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.damage = append(c.damage, d)
	}
	if !ours {
		c.files[kind][part] = nil
		return f.Close()
	}
	return nil
}

func (c *collection) add(entries []entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range entries {
		c.index.add(e)
	}
}

// file returns the file of a line.
func (c *collection) file(s location) *os.File {
	if s.failed() {
		return c.files[1][s.part()]
	}
	return c.files[0][s.part()]
}

// open returns the number of open files.
func (c *collection) open() (n int) {
	for _, files := range c.files {
		for _, f := range files {
			if f != nil {
				n++
			}
		}
	}
	return n
}

func (c *collection) close() {
	for _, files := range c.files {
		for _, f := range files {
			if f != nil {
				f.Close() // opened for reading only
			}
		}
	}
}
