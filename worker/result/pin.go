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
// one succeeds. Pin returns the content of the file, which may be another process's.
func (p Paths) Pin(name string, v any) ([]byte, error) {
	path := p.In(name)
	if data, err := os.ReadFile(path); err == nil {
		RemoveLeftovers(p.Run, "."+name+".") // drafts of killed processes; the file exists, so no draft is needed
		return data, nil
	}
	if err := os.MkdirAll(p.Run, p.dirMode()); err != nil {
		return nil, &WriteError{Path: p.Run, Err: err}
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(p.Run, "."+name+".*")
	if err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Chmod(p.mode()), f.Sync(), f.Close()); err == nil {
		err = lease.LinkExclusive(f.Name(), path)
	}
	// The draft is missing if another process was faster and took the draft for that of a dead process.
	if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return nil, &WriteError{Path: path, Err: err}
	}
	if err := (realDisk{}).SyncDir(p.Run); err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	return os.ReadFile(path)
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
