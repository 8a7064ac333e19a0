package result

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"fluxworker/worker/safeopen"
)

// disk is the part of a file system that the log needs. Tests replace it by a disk that loses unsynced data, as a power
// cut does.
type disk interface {
	// Open opens a file of the output. It follows no link, and accepts only a regular file.
	Open(path string, flag int, mode fs.FileMode) (file, error)
	// Draft creates an empty file beside path, with a name that nobody can guess.
	Draft(path string, mode fs.FileMode) (f file, name string, err error)
	// RemoveDrafts removes the drafts of path that killed processes left.
	RemoveDrafts(path string)
	Rename(from, to string) error
	Remove(path string) error
	// Own returns an error if the open file is not this user's, and errOpenElsewhere if another process has it open to
	// write to it.
	Own(path string, f file) error
	// CheckPath returns an error if the path does not lead to the open file any more, or the file has another size:
	// errReplaced, errResized, or why that cannot be seen.
	CheckPath(path string, f file, size int64) error
	// SyncDir makes the folder's entries durable, including created and renamed files.
	SyncDir(path string) error
}

// file is an open file of a disk.
type file interface {
	io.Reader
	io.Writer
	io.Closer
	Sync() error
	Truncate(size int64) error
}

// realDisk is the file system of the operating system.
type realDisk struct {
	trust trust // for Own
}

func (realDisk) Open(path string, flag int, mode fs.FileMode) (file, error) {
	f, err := safeopen.File(path, flag, mode)
	if err != nil {
		return nil, err // avoid a non-nil file that holds a nil *os.File
	}
	return f, nil
}

func (realDisk) Draft(path string, mode fs.FileMode) (file, string, error) {
	f, err := safeopen.Draft(path, mode)
	if err != nil {
		return nil, "", err
	}
	return f, f.Name(), nil
}

func (realDisk) RemoveDrafts(path string) { safeopen.RemoveDrafts(path) }

func (d realDisk) Own(path string, f file) error {
	info, err := f.(*os.File).Stat()
	if err != nil {
		return err
	}
	if why := d.trust.refusal(path, path, info); why != "" {
		return errors.New(why)
	}
	return lockInode(f.(*os.File))
}

func (realDisk) Rename(from, to string) error { return os.Rename(from, to) }

func (realDisk) Remove(path string) error { return os.Remove(path) }

func (realDisk) CheckPath(path string, f file, size int64) error {
	if err := refresh(filepath.Dir(path)); err != nil {
		return err
	}
	open, err := f.(*os.File).Stat()
	if err != nil {
		return err
	}
	there, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(open, there):
		return errReplaced
	case err != nil:
		return err // the folder may not be entered any more, say
	case there.Size() != size:
		return errResized
	}
	return nil
}

// refresh asks the file server for the state of a folder. Otherwise NFS may find the folder's names in its cache for a
// minute after another node has removed or replaced a file.
func refresh(dir string) error {
	err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_STATX_FORCE_SYNC, unix.STATX_MTIME|unix.STATX_CTIME, new(unix.Statx_t))
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // an old kernel, or a container that forbids the call
		return nil
	}
	return err
}

func (realDisk) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil // some network file systems sync folders by themselves and reject the call
	}
	return err
}
