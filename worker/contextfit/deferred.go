package contextfit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
	"fluxworker/worker/tokens"
)

// Deferred is the rows of a pass that need a longer context than the pass has. Of an input that can be read again it has a bit
// for each row; the rows of any other input are in a file in the run folder.
type Deferred struct {
	mu     sync.Mutex
	demand tokens.Demand
	which  []uint64 // by index, a bit each; valid without a spool
	spool  *spool
}

// newDeferred makes an empty set for a pass.
func (f *Fit) newDeferred() *Deferred {
	d := new(Deferred)
	if !f.config.Planner.Input.Rereadable() {
		d.spool = &spool{folder: f.config.Folder}
	}
	return d
}

// add takes a row in that needs so many tokens. It may be called from many goroutines. The error is a *result.WriteError.
func (d *Deferred) add(row *prompt.Row, need int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.demand.Add(need)
	if d.spool != nil {
		return d.spool.write(row)
	}
	word := int(row.Index / 64)
	for len(d.which) <= word {
		d.which = append(d.which, make([]uint64, max(1, len(d.which)/4))...)
	}
	d.which[word] |= 1 << (row.Index % 64)
	return nil
}

func (d *Deferred) has(index int64) bool {
	word := int(index / 64)
	return word < len(d.which) && d.which[word]&(1<<(index%64)) != 0
}

// Close lets go of the rows that are on the disk.
func (d *Deferred) Close() {
	if d.spool != nil {
		d.spool.close()
	}
}

// drop lets go of a row that got its line although it was not asked.
func (d *Deferred) drop(index int64) { d.which[index/64] &^= 1 << (index % 64) }

// Each calls do for each deferred row, in the input's order or in the order in which the rows came, until do returns an error.
// reject writes the error line of a row that cannot be asked any more.
func (f *Fit) Each(ctx context.Context, d *Deferred, do, reject func(prompt.Row) error) error {
	if d.spool != nil {
		return d.spool.each(do)
	}
	in := f.config.Planner.Input
	source, rows, err := in.Open(f.config.Shard)
	if err != nil {
		return fmt.Errorf("for the rows that need a longer context: %w; run the same command again", err)
	}
	defer source.Close()
	if !record.InputOf(in.Path, source.Fingerprint()).Same(f.config.Found) {
		return &outcome.InputError{Err: fmt.Errorf("read %s again for the rows that need a longer context: it was changed since the run began; run the same command again", in.Path)}
	}
	for ctx.Err() == nil {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &outcome.InputError{Err: err}
		}
		if !d.has(row.Index) {
			continue
		}
		if row.Reject != nil { // a file with an image that it names is not there any more
			d.drop(row.Index) // the rows may be read once more
			err = reject(row)
		} else {
			err = do(row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// SpoolPrefix begins the name that a spool has for an instant. A run that is killed in that instant leaves an empty file, which
// the next holder of the output removes.
const SpoolPrefix = "deferred-"

// spool keeps rows in a file without a name: it is readable for nobody else, and gone with the process, however that ends.
// The next run gets its rows from the input.
type spool struct {
	folder string
	file   *os.File
	out    *bufio.Writer
}

func (s *spool) write(row *prompt.Row) error {
	if s.file == nil {
		file, err := os.CreateTemp(s.folder, SpoolPrefix)
		if err == nil {
			err = os.Remove(file.Name())
		}
		if err != nil {
			return &result.WriteError{Path: s.folder, Err: err}
		}
		s.file, s.out = file, bufio.NewWriterSize(file, 64<<10)
	}
	data, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("encode row: %w", err)
	}
	if _, err := s.out.Write(append(data, '\n')); err != nil {
		return &result.WriteError{Path: s.folder, Err: err}
	}
	return nil
}

// each reads the rows back; none is written any more.
func (s *spool) each(do func(prompt.Row) error) error {
	if s.file == nil {
		return nil
	}
	if err := s.out.Flush(); err != nil {
		return &result.WriteError{Path: s.folder, Err: err}
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the deferred rows in %s: %w", s.folder, err)
	}
	rows := json.NewDecoder(bufio.NewReaderSize(s.file, 64<<10))
	var restorer prompt.Restorer
	for {
		var row prompt.Row
		if err := rows.Decode(&row); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the deferred rows in %s: %w", s.folder, err)
		}
		if err := restorer.Restore(&row); err != nil {
			return fmt.Errorf("read the deferred rows in %s: row %q: %w", s.folder, row.CustomID, err)
		}
		if err := do(row); err != nil {
			return err
		}
	}
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
	}
}
