package lease

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// LinkExclusive gives a whole file a second name that is not there yet, or fails with fs.ErrExist: nobody reads half of it.
// Where there are no hard links an exclusive create does, and a reader may find too little.
func LinkExclusive(from, to string) error {
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
