package result

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fluxworker/worker/lease"
)

// Pin writes v as JSON to the named file in the run folder, unless the file exists. Of several processes on any nodes,
// one succeeds. Pin reads the content of the file, which may be another process's, into pinned. Errors: *WriteError,
// *RecordError.
func (p Paths) Pin(name string, v, pinned any) error {
	err := p.ReadJSON(name, pinned)
	switch {
	case err == nil:
		RemoveLeftovers(p.Run, "."+name+".") // drafts of killed processes; the file exists, so no draft is needed
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := p.create(); err != nil {
		return err
	}
	if err := p.pin(p.In(name), v); err != nil {
		return err
	}
	return p.ReadJSON(name, pinned)
}

// pin writes the file at path, unless it exists.
func (p Paths) pin(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(p.Run, "."+filepath.Base(path)+".*")
	if err != nil {
		return &WriteError{Path: path, Err: err}
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Chmod(p.mode()), f.Sync(), f.Close()); err == nil {
		err = lease.LinkExclusive(f.Name(), path)
	}
	// The draft is missing if another process was faster and took the draft for that of a dead process.
	if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return &WriteError{Path: path, Err: err}
	}
	if err := (realDisk{}).SyncDir(p.Run); err != nil {
		return &WriteError{Path: path, Err: err}
	}
	return nil
}

// RemoveLeftovers removes the files with the prefix from a folder, which killed processes left. It ignores files that cannot
// be removed: they do no harm.
func RemoveLeftovers(dir, prefix string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
