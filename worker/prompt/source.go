package prompt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Stdin is the path that means standard input.
const Stdin = "-"

// Source is an opened input, decompressed where its name says that it is compressed.
type Source struct {
	in      io.Reader
	closers []io.Closer // innermost last
	size    int64
	offset  atomic.Int64
}

// Open opens the input at path: a file, decompressed where it is called .gz or .zst, or standard input for "-". An
// error names the path and wraps the cause, so that errors.Is(err, fs.ErrNotExist) works.
func Open(path string) (*Source, error) {
	if path == Stdin {
		// Not ours to close: whoever opened file descriptor 0 may still want it.
		return newSource(os.Stdin, Stdin)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	s, err := newSource(file, path)
	if err != nil {
		file.Close()
		return nil, openError(path, err)
	}
	s.closers = append(s.closers, file)
	return s, nil
}

func newSource(file *os.File, path string) (*Source, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, syscall.EISDIR
	}
	s := &Source{}
	if info.Mode().IsRegular() {
		s.size = info.Size()
	}
	s.in = &counter{in: file, count: &s.offset}
	switch compression(path) {
	case ".gz":
		plain, err := gzip.NewReader(s.in)
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty, which no gzip file is")
		}
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		s.in, s.closers = plain, append(s.closers, plain)
	case ".zst":
		// One goroutine is plenty: rows are asked for far more slowly than any file decompresses.
		plain, err := zstd.NewReader(s.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		closer := plain.IOReadCloser()
		s.in, s.closers = closer, append(s.closers, closer)
	}
	return s, nil
}

// Read reads the decompressed input.
func (s *Source) Read(p []byte) (int, error) { return s.in.Read(p) }

// Size is how many bytes the file has on disk, compressed as it is, or 0 where that is unknown (a pipe).
func (s *Source) Size() int64 { return s.size }

// Offset is how many of these bytes have been read so far, look-ahead included. It may be called from any goroutine.
func (s *Source) Offset() int64 { return s.offset.Load() }

// Close ends the reading. It leaves standard input open.
func (s *Source) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// openError takes the operation and the path out of err, since ours are in front of it already.
func openError(path string, err error) error {
	if cause, ok := errors.AsType[*fs.PathError](err); ok {
		err = cause.Err
	}
	return fmt.Errorf("open input %s: %w", path, err)
}

// compression is the ending of a compressed file's name, or empty.
func compression(path string) string {
	lower := strings.ToLower(path)
	for _, ending := range []string{".gz", ".zst"} {
		if strings.HasSuffix(lower, ending) {
			return ending
		}
	}
	return ""
}

// counter counts what is read through it.
type counter struct {
	in    io.Reader
	count *atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.count.Add(int64(n))
	return n, err
}
