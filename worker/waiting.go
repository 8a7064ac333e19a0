package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
	"fluxworker/worker/tokens"
)

// waiting is the rows of a pass that need a longer context than it has. It holds none of them: of an input that can be read
// again it knows which they are, a bit for each, and the rows of any other are in a file in the run folder.
type waiting struct {
	mu     sync.Mutex
	demand tokens.Demand
	which  []uint64 // by index, a bit each; valid without a spool
	spool  *spool
}

// newWaiting has none yet. folder is where the rows go that cannot be read again; empty for an input that can.
func newWaiting(folder string) *waiting {
	w := new(waiting)
	if folder != "" {
		w.spool = &spool{folder: folder}
	}
	return w
}

// add takes a row in that needs so many tokens. It may be called from many goroutines. The error is a *result.WriteError.
func (w *waiting) add(row *prompt.Row, need int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.demand.Add(need)
	if w.spool != nil {
		return w.spool.write(row)
	}
	word := int(row.Index / 64)
	for len(w.which) <= word {
		w.which = append(w.which, make([]uint64, max(1, len(w.which)/4))...)
	}
	w.which[word] |= 1 << (row.Index % 64)
	return nil
}

func (w *waiting) has(index int64) bool {
	word := int(index / 64)
	return word < len(w.which) && w.which[word]&(1<<(index%64)) != 0
}

// close lets go of what is on the disk.
func (w *waiting) close() {
	if w.spool != nil {
		w.spool.close()
	}
}

// drop lets go of a row that got its line although it was not asked.
func (w *waiting) drop(index int64) { w.which[index/64] &^= 1 << (index % 64) }

// eachWaiting calls do for each row that waits, in the input's order or in that in which they came, until it returns an
// error.
func (r *run) eachWaiting(ctx context.Context, w *waiting, do func(prompt.Row) error) error {
	if w.spool != nil {
		return w.spool.each(do)
	}
	source, rows, err := OpenRows(r.Input, r.readerOptions(r.shard))
	if err != nil {
		return fmt.Errorf("for the rows that need a longer context: %w; run the same command again", err)
	}
	defer source.Close()
	if !r.inputFile(source.Fingerprint()).same(r.manifest.Input) {
		return &InputError{Err: fmt.Errorf("read %s again for the rows that need a longer context: it was changed since the run began; run the same command again", r.Input)}
	}
	for ctx.Err() == nil {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &InputError{Err: err}
		}
		if !w.has(row.Index) {
			continue
		}
		if row.Reject != nil { // a file with an image that it names is not there any more
			r.counts.asked.Add(1)
			w.drop(row.Index) // the rows may be read once more
			err = r.reject(row)
		} else {
			err = do(row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// spoolPrefix begins the name that a spool has for an instant. A run that is killed in that instant leaves an empty file, which
// the next holder of the output removes.
const spoolPrefix = "waiting-"

// spool keeps rows in a file without a name: it is readable for nobody else, and gone with the process, however that ends.
// The next run gets its rows from the input.
type spool struct {
	folder string
	file   *os.File
	out    *bufio.Writer
}

func (s *spool) write(row *prompt.Row) error {
	if s.file == nil {
		file, err := os.CreateTemp(s.folder, spoolPrefix)
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
		return fmt.Errorf("read the rows that wait, in %s: %w", s.folder, err)
	}
	rows := json.NewDecoder(bufio.NewReaderSize(s.file, 64<<10))
	var restorer prompt.Restorer
	for {
		var row prompt.Row
		if err := rows.Decode(&row); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the rows that wait, in %s: %w", s.folder, err)
		}
		if err := restorer.Restore(&row); err != nil {
			return fmt.Errorf("read the rows that wait, in %s: row %q: %w", s.folder, row.CustomID, err)
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
