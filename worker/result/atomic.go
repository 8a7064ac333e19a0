package result

import (
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"fluxworker/worker/safeopen"
)

// WriteJSON writes v as JSON to the named file in the run folder. At any time, and after a crash, a reader finds either
// the old or the new file, complete. Only the holder of the output may call it. An error of the file system is a
// *WriteError.
func (p Paths) WriteJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	for _, dir := range []string{p.Run, filepath.Dir(p.In(name))} {
		if err := p.makeFolder(dir); err != nil {
			return &WriteError{Path: dir, Err: err}
		}
	}
	return p.Replace(name, append(data, '\n'))
}

// Replace replaces the content of the named file in an existing folder. At any time, and after a crash, a reader finds
// either the old or the new content, complete. Only the holder of the output may call it. An error of the file system is a
// *WriteError.
func (p Paths) Replace(name string, content []byte) error {
	return replace(realDisk{}, p.In(name), p.mode(), func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// OpenAppend opens the named file in the run folder to append to it, and creates a missing file. Only the holder of the output may
// call it. It follows no link, and accepts only a regular file. An error of the file system is a *WriteError.
func (p Paths) OpenAppend(name string) (*os.File, error) {
	f, err := safeopen.File(p.In(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, p.mode())
	if err != nil {
		return nil, &WriteError{Path: p.In(name), Err: err}
	}
	return f, nil
}

// replace writes new content to a file beside path, syncs it, renames it to path and syncs the folder. Its own errors
// are *WriteError; an error of write is returned unchanged.
func replace(d disk, path string, mode fs.FileMode, write func(io.Writer) error) error {
	made, err := newDraft(d, path, mode)
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
	return made.publish()
}

// draft is the new content of a file before the rename. All its own errors are *WriteError.
type draft struct {
	disk      disk
	path      string // final path
	temporary string // temporary path in the same folder
	file      file
	err       error // the error of a failed Write, in contrast to an error of the caller
}

func newDraft(d disk, path string, mode fs.FileMode) (*draft, error) {
	f, temporary, err := d.Draft(path, mode)
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

// failure returns the error of a failed Write, or nil.
func (d *draft) failure() error {
	if d.err == nil {
		return nil
	}
	return &WriteError{Path: d.path, Err: d.err}
}

// finish syncs and closes the draft. If that fails, it removes the draft.
func (d *draft) finish() error {
	err := d.file.Sync()
	if closeErr := d.file.Close(); err == nil {
		err = closeErr
	}
	return d.check(err)
}

// publish renames the finished draft to its final path and syncs the folder.
func (d *draft) publish() error {
	if err := d.check(d.disk.Rename(d.temporary, d.path)); err != nil {
		return err
	}
	if err := d.disk.SyncDir(filepath.Dir(d.path)); err != nil {
		return &WriteError{Path: d.path, Err: err}
	}
	return nil
}

// check removes the draft if err is not nil, and returns err as a *WriteError.
func (d *draft) check(err error) error {
	if err == nil {
		return nil
	}
	d.disk.Remove(d.temporary) // the draft may occupy space that a full disk needs
	return &WriteError{Path: d.path, Err: err}
}

// discard closes and removes the draft. After finish it only removes it.
func (d *draft) discard() {
	d.file.Close()
	d.disk.Remove(d.temporary)
}
