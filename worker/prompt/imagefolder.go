package prompt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"unicode/utf8"
)

// ImageFolder is a folder in which rows may name image files. No name and no symbolic link leads out of the folder. An
// ImageFolder is safe for concurrent use.
type ImageFolder struct {
	root *os.Root
	// spellings are its absolute paths: the user's path, and the same path without symbolic links.
	spellings []string
}

// OpenImageFolder opens the folder at path until the program ends. The error wraps the cause.
func OpenImageFolder(path string) (*ImageFolder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	f := &ImageFolder{root: root}
	named, err := filepath.Abs(path)
	if err == nil {
		var real string
		real, err = filepath.EvalSymlinks(named)
		f.spellings = []string{named, real}
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return f, nil
}

// read reads the file with the given name: a path relative to the folder, or an absolute path. The file may have at
// most limit bytes.
func (f *ImageFolder) read(name string, limit int64) ([]byte, *rowError) {
	path, ok := f.relativePath(name)
	if !ok {
		return nil, rowErrorf(CodeInvalidValue, "", "names the file %s, which is not below %s, the folder of --image-dir",
			showPath(name), showPath(f.spellings[0]))
	}
	data, err := loadFile(f.root, path, limit)
	var large *tooLargeError
	switch {
	case err == nil:
		return data, nil
	case errors.As(err, &large):
		return nil, rowErrorf(CodeTooLarge, "", "names the file %s, which has %d bytes; all image files of a row together may have --max-row-bytes bytes, "+
			"and %d of them are left", showPath(name), large.size, limit)
	case isRowFault(err):
		return nil, rowErrorf(CodeInvalidValue, "", "names the file %s, which cannot be read: %s", showPath(name), causeOf(err))
	}
	return nil, &rowError{ioErr: fmt.Errorf("read image %s: %w", showPath(name), causeOf(err))}
}

// relativePath returns name relative to the folder; ok is false if name is not below the folder.
func (f *ImageFolder) relativePath(name string) (string, bool) {
	if !filepath.IsAbs(name) {
		return name, filepath.IsLocal(name)
	}
	for _, spelling := range f.spellings {
		if path, err := filepath.Rel(spelling, name); err == nil && filepath.IsLocal(path) {
			return path, true
		}
	}
	return "", false
}

// loadFile reads the regular file at a path below root. No symbolic link leads out of root.
func loadFile(root *os.Root, path string, limit int64) ([]byte, error) {
	// Do not block: a named pipe would block the run forever.
	file, err := root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNoFile
	}
	if info.Size() > limit {
		return nil, &tooLargeError{info.Size()}
	}
	data := make([]byte, info.Size())
	n, err := io.ReadFull(file, data)
	if err == io.EOF || err == io.ErrUnexpectedEOF { // the file became shorter meanwhile
		err = nil
	}
	return data[:n], err
}

// errNoFile means that a name belongs to a folder, a pipe or a device.
var errNoFile = errors.New("it is not a regular file")

// tooLargeError is a file above its size limit.
type tooLargeError struct{ size int64 }

func (e *tooLargeError) Error() string {
	return strconv.FormatInt(e.size, 10) + " bytes exceed the limit"
}

// isRowFault reports whether the file's name, and so the row, is at fault for an error, and not the disk. An error
// without a number comes from os.Root, which rejected a path out of its folder, or from this package.
func isRowFault(err error) bool {
	number, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return true
	}
	switch number {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES, syscall.EPERM, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.ENXIO:
		return true
	}
	return false
}

// causeOf removes the operation and path from an error.
func causeOf(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err
	}
	return err
}

// shownPathRunes is the maximum length of a path in a message. The end of a path matters most.
const shownPathRunes = 100

func showPath(path string) string {
	start := len(path)
	for range shownPathRunes {
		_, size := utf8.DecodeLastRuneInString(path[:start])
		start -= size
	}
	if start > 0 {
		path = "…" + path[start:]
	}
	return strconv.Quote(path)
}
