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
)

// Damage is what of a file is no line. Whoever reads leaves it where it is; the next run into the output repairs it.
type Damage struct {
	Path  string
	Lines int64 // that are none of ours, or not whole
	First int64 // the first of them, from 1
	Torn  int64 // bytes of an unterminated last line: a run is writing it, or was killed there
}

// collection is what the parts of an output hold: their files, open, and where each row's line stands in them. What a run
// does to the files meanwhile makes no difference: it appends, or puts another file in their place.
type collection struct {
	parts  []Part
	files  [2][]*os.File // answers and failures, by part; nil where there are none
	index  index
	damage []Damage

	mu sync.Mutex // for index and damage while the files are read
}

// handed is how many entries are put into the index at once.
const handed = 512

// collect reads all files of the parts, several at a time.
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

// path is that of the file of one kind: 0 for answers, 1 for failures.
func (c *collection) path(kind, part int) string {
	if kind == 0 {
		return c.parts[part].Paths.Results
	}
	return c.parts[part].Paths.Errors
}

// scan reads one file. It stays open where it has lines.
func (c *collection) scan(ctx context.Context, s *scanner, kind, part int) error {
	path := c.path(kind, part)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read results: %w", err)
	}
	c.files[kind][part] = f
	d := Damage{Path: path}
	entries := make([]entry, 0, handed)
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
			entries = append(entries, entry{name: entryOf(line.key).name, request: uint64(spotOf(kind == 1, part, offset))})
		}
		if len(entries) == handed {
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

// file is the one that a line stands in.
func (c *collection) file(s spot) *os.File {
	if s.failed() {
		return c.files[1][s.part()]
	}
	return c.files[0][s.part()]
}

// open counts the files that hold lines.
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
				f.Close() // only read from
			}
		}
	}
}
