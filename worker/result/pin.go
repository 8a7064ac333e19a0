package result

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Pin puts v into the run folder's file of that name, unless it is there: of many that try, on whichever nodes, one
// succeeds. It returns what is in the file then, which may be another's.
func (p Paths) Pin(name string, v any) ([]byte, error) {
	path := p.In(name)
	if data, err := os.ReadFile(path); err == nil {
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
		err = linkExclusive(f.Name(), path)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, &WriteError{Path: path, Err: err}
	}
	if err := (realDisk{}).SyncDir(p.Run); err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	return os.ReadFile(path)
}

// linkExclusive gives a whole file a second name that is not there yet, or fails with fs.ErrExist: nobody reads half of it.
// Where there are no hard links an exclusive create does, and a reader may find too little.
func linkExclusive(from, to string) error {
	err := os.Link(from, to)
	switch {
	case errors.Is(err, fs.ErrExist):
		// NFS may repeat a request whose answer was lost, and then says that the first one succeeded.
		if a, statErr := os.Stat(from); statErr == nil {
			if b, statErr := os.Stat(to); statErr == nil && os.SameFile(a, b) {
				return nil
			}
		}
		return err
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EMLINK), errors.Is(err, syscall.EXDEV):
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		info, err := os.Stat(from)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode())
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return errors.Join(err, f.Close())
	}
	return err
}
