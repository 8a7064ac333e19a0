package result

import (
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteJSON puts v into the run folder's file of that name so that a reader, at any instant and after any crash, finds
// the old file or the new one, whole. Only the holder of the output may call it.
func (p Paths) WriteJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	path := p.In(name)
	if err := os.MkdirAll(filepath.Dir(path), p.dirMode()); err != nil {
		return &WriteError{Path: path, Err: err}
	}
	return replace(realDisk{}, path, p.mode(), func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
}

// replacement is where the new content of a file is made. The name is always the same, so that kills do not pile up
// leftovers.
func replacement(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
}

// replace writes new content beside path, syncs it, renames it over path and syncs the folder. An error of its own is a
// WriteError; one of write is returned as it is.
func replace(d disk, path string, mode fs.FileMode, write func(io.Writer) error) error {
	temporary := replacement(path)
	f, err := d.Open(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return &WriteError{Path: path, Err: err}
	}
	w := &errorKeeper{Writer: f}
	if err := write(w); err != nil {
		f.Close()
		d.Remove(temporary)
		if w.err != nil {
			return &WriteError{Path: path, Err: w.err}
		}
		return err
	}
	err = f.Sync()
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = d.Rename(temporary, path)
	}
	if err != nil {
		d.Remove(temporary) // it may hold what a full disk needs
		return &WriteError{Path: path, Err: err}
	}
	if err := d.SyncDir(filepath.Dir(path)); err != nil {
		return &WriteError{Path: path, Err: err}
	}
	return nil
}

// errorKeeper tells a failure of the disk from one of whoever writes.
type errorKeeper struct {
	io.Writer
	err error
}

func (w *errorKeeper) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}
