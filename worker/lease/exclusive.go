package lease

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// LinkExclusive gives a complete file a second name, or fails with fs.ErrExist if that name exists. So no reader finds
// an incomplete file. Without hard links it creates the file exclusively; then a reader may find an incomplete file.
func LinkExclusive(from, to string) error {
	err := os.Link(from, to)
	switch {
	case errors.Is(err, fs.ErrExist):
		// NFS may repeat a request whose answer was lost, and the repetition fails because the first request succeeded.
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
