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

// Deferred is a set of rows that need a longer context than the present pass has. For an input that can be read again it
// holds one bit for each row; the rows of any other input are in a spool in the run folder.
type Deferred struct {
	mu     sync.Mutex
	demand tokens.Demand
	which  []uint64 // one bit for each row, by index; valid without a spool
	spool  *spool   // nil for an input that can be read again
}

// newDeferred makes an empty set.
func (f *Fit) newDeferred() *Deferred {
	d := new(Deferred)
	if !f.config.Planner.Input.Rereadable() {
		d.spool = &spool{folder: f.config.Folder}
	}
	return d
}

// add adds a row with its need, in tokens. It is safe for concurrent use. Error: result.WriteError.
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

// Close closes the spool, which frees its disk space.
func (d *Deferred) Close() {
	if d.spool != nil {
		d.spool.close()
	}
}

// drop removes a row that got an error line and will not be asked.
func (d *Deferred) drop(index int64) { d.which[index/64] &^= 1 << (index % 64) }

// Each calls do for each deferred row, until do returns an error. The order is that of the input, for a spool that in which
// the rows were deferred. reject writes the error line of a row that cannot be asked any more. Errors: those of do and
// reject; InputError for an input that cannot be read again or was changed; result.WriteError for the spool.
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
		if row.Reject != nil { // such as a row whose image file is gone
			d.drop(row.Index) // Each may read the rows once more
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

// SpoolPrefix is the prefix of the name that a spool has for an instant. A run that is killed in that instant leaves an empty
// file, which the next holder of the output removes.
const SpoolPrefix = "deferred-"

// spool keeps rows in a file without a name: no other process can open it, and it ends with this process. The next run gets
// the rows from the input.
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

// each calls do for each row, until do returns an error. The caller writes no further row.
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
