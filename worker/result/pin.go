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

// Pin puts v into the run folder's file of that name, unless it is there: of many that try, on whichever nodes, one
// succeeds. It returns what is in the file then, which may be another's.
func (p Paths) Pin(name string, v any) ([]byte, error) {
	path := p.In(name)
	if data, err := os.ReadFile(path); err == nil {
		RemoveLeft(p.Run, "."+name+".") // drafts of processes that were killed: the file is there, so no draft is of use any more
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
	// A draft is gone where another process was faster, and took it for a dead process's.
	if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return nil, &WriteError{Path: path, Err: err}
	}
	if err := (realDisk{}).SyncDir(p.Run); err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	return os.ReadFile(path)
}

// RemoveLeft removes the files of a folder whose names have the prefix: what killed processes have left. Files that cannot be
// removed stay; they cost nothing.
func RemoveLeft(dir, prefix string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
