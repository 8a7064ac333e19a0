// Package safeopen opens files in folders where another user, or an accident, may have put something else: a link, a named
// pipe, a file of another user.
//
// Invariants: an open never waits for the other end of a named pipe; a file of fluxworker is never opened through a link; new
// content goes to a file that did not exist and whose name nobody can guess.
package safeopen

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// KindError means that a path leads to something that is not a regular file. Functions return it in an fs.PathError.
type KindError struct{ Kind string }

func (e *KindError) Error() string {
	return fmt.Sprintf("it is a %s and not a regular file; remove it, or use another name", e.Kind)
}

// File opens a file of fluxworker. It follows no link as the last part of the path. flag must not contain O_TRUNC: the content
// of a wrong file would be lost before the check. A path to anything but a regular file gives a KindError.
func File(path string, flag int, mode fs.FileMode) (*os.File, error) {
	return open(path, flag|unix.O_NOFOLLOW, mode)
}

// Named opens a file that the user named, for reading. It follows links. A path to anything but a regular file gives a
// KindError.
func Named(path string) (*os.File, error) { return open(path, os.O_RDONLY, 0) }

func open(path string, flag int, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag|unix.O_NONBLOCK, mode)
	if err != nil {
		return nil, orKind(path, err)
	}
	info, err := f.Stat()
	if err == nil {
		err = checkRegular(path, info)
	}
	if err == nil {
		err = setBlocking(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// orKind returns a KindError instead of an error that only says that the path leads to no regular file.
func orKind(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.EISDIR):
		if info, statErr := os.Lstat(path); statErr == nil && !info.Mode().IsRegular() {
			return checkRegular(path, info)
		}
	}
	return err
}

func checkRegular(path string, info fs.FileInfo) error {
	kind := ""
	switch info.Mode().Type() {
	case 0:
		return nil
	case fs.ModeDir:
		kind = "folder"
	case fs.ModeSymlink:
		kind = "symbolic link"
	case fs.ModeNamedPipe:
		kind = "named pipe"
	case fs.ModeSocket:
		kind = "socket"
	default:
		kind = "device"
	}
	return &fs.PathError{Op: "open", Path: path, Err: &KindError{Kind: kind}}
}

// setBlocking clears O_NONBLOCK, which was only for the open: some file systems pass it on.
func setBlocking(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var setErr error
	err = c.Control(func(fd uintptr) { setErr = unix.SetNonblock(int(fd), false) })
	return errors.Join(err, setErr)
}

// maxRecord is the limit in bytes of a file that Read reads.
const maxRecord = 64 << 20

// Read returns the content of a small file of fluxworker.
func Read(path string) ([]byte, error) {
	f, err := File(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err == nil && len(data) > maxRecord {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it has more than %d MiB", maxRecord>>20)}
	}
	return data, err
}

// New creates an empty file in the place of the file or link at path, which it removes.
func New(path string, mode fs.FileMode) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
}

// The name of a draft is a dot, the name of the file, a dot, random text, and the ending.
const (
	draftEnding  = ".new"
	draftRandom  = 16  // number of random characters, of 5 bits each
	maxDraftBase = 200 // longest part in bytes of the file's name: a name has at most 255 bytes
)

func draftPrefix(path string) string {
	base := filepath.Base(path)
	if len(base) > maxDraftBase {
		base = strings.ToValidUTF8(base[:maxDraftBase], "")
	}
	return "." + base + "."
}

// Draft creates an empty file beside path, for new content that is to be renamed to path.
func Draft(path string, mode fs.FileMode) (*os.File, error) {
	name := draftPrefix(path) + rand.Text()[:draftRandom] + draftEnding
	return os.OpenFile(filepath.Join(filepath.Dir(path), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
}

// RemoveDrafts removes the drafts of the file at path, which killed processes left. It ignores drafts that cannot be removed:
// they do no harm.
func RemoveDrafts(path string) {
	prefix := draftPrefix(path)
	removeDrafts(filepath.Dir(path), func(name string) bool { return name == prefix })
}

// RemoveAllDrafts removes the drafts of all files in a folder.
func RemoveAllDrafts(dir string) {
	removeDrafts(dir, func(prefix string) bool { return len(prefix) > len("..") && prefix[0] == '.' })
}

// removeDrafts removes the drafts in a folder whose name has a wanted start, with the dot before the random text.
func removeDrafts(dir string, wanted func(prefix string) bool) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), draftEnding)
		end := strings.LastIndexByte(name, '.') + 1
		if ok && len(name)-end == draftRandom && wanted(name[:end]) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
