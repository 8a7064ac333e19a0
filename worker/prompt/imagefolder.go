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

// ImageFolder is a folder below which rows may name files with images. No name, and no symbolic link below it, leads out
// of it. It may be used from many goroutines.
type ImageFolder struct {
	root *os.Root
	// spellings are its absolute paths: as the user named it, and without the symbolic links in that.
	spellings []string
}

// OpenImageFolder opens the folder at path, for as long as the program runs. An error wraps the cause.
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

// read reads the file called name: a path from the folder, or an absolute one. It may have at most limit bytes.
func (f *ImageFolder) read(name string, limit int64) ([]byte, *problem) {
	inside, ok := f.inside(name)
	if !ok {
		return nil, problemf(CodeInvalidValue, "", "names the file %s, which is not below the folder of --allow-image-files, %s",
			showPath(name), showPath(f.spellings[0]))
	}
	data, err := loadFile(f.root, inside, limit)
	var large *tooLargeError
	switch {
	case err == nil:
		return data, nil
	case errors.As(err, &large):
		return nil, problemf(CodeTooLarge, "", "names the file %s, which has %d bytes; all such files of a row may have no more than --max-row-bytes together, "+
			"of which %d are left", showPath(name), large.size, limit)
	case isNames(err):
		return nil, problemf(CodeInvalidValue, "", "names the file %s, which cannot be read: %s", showPath(name), causeOf(err))
	}
	return nil, &problem{broken: fmt.Errorf("read image %s: %w", showPath(name), causeOf(err))}
}

// inside is name as seen from the folder, where it is below it.
func (f *ImageFolder) inside(name string) (string, bool) {
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

// loadFile reads the regular file at a path below root. No symbolic link leads out of there.
func loadFile(root *os.Root, path string, limit int64) ([]byte, error) {
	// Without waiting: a named pipe would hold the run up for ever.
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
	if err == io.EOF || err == io.ErrUnexpectedEOF { // it became shorter meanwhile
		err = nil
	}
	return data[:n], err
}

// errNoFile is a name that belongs to a folder, a pipe or a device.
var errNoFile = errors.New("it is no regular file")

// tooLargeError is a file with more bytes than there may be.
type tooLargeError struct{ size int64 }

func (e *tooLargeError) Error() string { return strconv.FormatInt(e.size, 10) + " bytes are too many" }

// isNames tells whether a file's name is to blame for an error, and with it the row, rather than the disk. What has no
// number comes from os.Root, which was led out of its folder, or from us.
func isNames(err error) bool {
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

// causeOf takes operation and path out of an error.
func causeOf(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err
	}
	return err
}

// shownPathRunes is how much of a path a message shows. The end of it matters most.
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
