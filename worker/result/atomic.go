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
	made, err := newDraft(d, path, replacement(path), mode)
	if err != nil {
		return err
	}
	if err := write(made); err != nil {
		made.discard()
		if made.failure() != nil {
			return made.failure()
		}
		return err
	}
	if err := made.finish(); err != nil {
		return err
	}
	return made.place()
}

// draft is the new content of a file before it takes its place. Every error of its own is a WriteError.
type draft struct {
	disk      disk
	path      string // its place
	temporary string // where it is made, in the same folder
	file      file
	err       error // what went wrong in writing: the disk, and not whoever writes
}

func newDraft(d disk, path, temporary string, mode fs.FileMode) (*draft, error) {
	f, err := d.Open(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	return &draft{disk: d, path: path, temporary: temporary, file: f}, nil
}

func (d *draft) Write(p []byte) (int, error) {
	n, err := d.file.Write(p)
	if err != nil {
		d.err = err
	}
	return n, err
}

// failure is what a Write failed with, or nil.
func (d *draft) failure() error {
	if d.err == nil {
		return nil
	}
	return &WriteError{Path: d.path, Err: d.err}
}

// finish brings the content to the disk. Where that fails, the draft is discarded.
func (d *draft) finish() error {
	err := d.file.Sync()
	if closeErr := d.file.Close(); err == nil {
		err = closeErr
	}
	return d.placed(err)
}

// place puts the finished draft where it belongs, for good.
func (d *draft) place() error {
	if err := d.placed(d.disk.Rename(d.temporary, d.path)); err != nil {
		return err
	}
	if err := d.disk.SyncDir(filepath.Dir(d.path)); err != nil {
		return &WriteError{Path: d.path, Err: err}
	}
	return nil
}

func (d *draft) placed(err error) error {
	if err == nil {
		return nil
	}
	d.disk.Remove(d.temporary) // it may hold what a full disk needs
	return &WriteError{Path: d.path, Err: err}
}

// discard gives the draft up. After finish it only removes it.
func (d *draft) discard() {
	d.file.Close()
	d.disk.Remove(d.temporary)
}
