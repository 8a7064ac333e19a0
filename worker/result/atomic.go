package result

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// WriteJSON puts v into the file at path so that a reader, at any instant and after any crash, finds the old file or the
// new one, whole.
func WriteJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := replace(path, append(data, '\n')); err != nil {
		return &WriteError{Path: path, Err: err}
	}
	return nil
}

// replace writes a temporary file beside path, syncs it, renames it over path and syncs the folder.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing left to remove
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the folder's entries, a created or renamed file among them, survive a power cut.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
