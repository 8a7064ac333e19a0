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

// Source is an opened input, decompressed where its name says that it is compressed. It is read once, by one Reader.
type Source struct {
	path    string
	in      io.Reader
	folder  *folder     // instead of in, for a folder
	closers []io.Closer // innermost last
	size    int64
	offset  atomic.Int64
	print   Fingerprint
}

// Open opens the input at path: a file, decompressed where it is called .gz or .zst, a folder of files, or standard
// input for "-". An error names the path and wraps the cause, so that errors.Is(err, fs.ErrNotExist) works.
func Open(path string) (*Source, error) {
	if path == Stdin {
		// Not ours to close: whoever opened file descriptor 0 may still want it.
		return newSource(os.Stdin, Stdin)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return newFolderSource(path)
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

func newFolderSource(path string) (*Source, error) {
	f, err := openFolder(path)
	if err != nil {
		return nil, openError(path, err)
	}
	return &Source{path: path, folder: f, size: f.count(), closers: []io.Closer{f.root}}, nil
}

func newSource(file *os.File, path string) (*Source, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, syscall.EISDIR
	}
	s := &Source{path: path}
	if path != Stdin {
		s.print = Fingerprint{Bytes: info.Size(), Modified: info.ModTime()}
	}
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

// Rows makes the Reader of the input. It reads the header of a table, and nothing else yet. The error is a LayoutError where
// the Layout does not go with the input.
func (s *Source) Rows(o Options) (*Reader, error) {
	o.Name, o.Format = s.path, FormatOf(s.path)
	o.complete()
	h, d := newHasher(), &decoder{defaults: o.Defaults, limit: o.MaxRowBytes}
	if s.folder != nil {
		f, err := newFiles(s.folder, &s.offset, o, d)
		if err != nil {
			return nil, err
		}
		r := newReader(f, o, h)
		r.unit = "file"
		return r, nil
	}
	if o.Format == CSV || o.Format == TSV {
		t, err := newTable(s.in, o, h, d)
		if err != nil {
			return nil, err
		}
		o.Layout = t.layout(o.Layout)
		return newReader(t, o, h), nil
	}
	if err := o.Layout.refuse(s.path); err != nil {
		return nil, err
	}
	return newReader(newLines(s.in, o, h, d), o, h), nil
}

// Size is how many bytes the file has on disk, compressed as it is, or 0 where that is unknown (a pipe). For a folder it is
// how many files there are.
func (s *Source) Size() int64 { return s.size }

// Offset is how much of Size has been read so far, look-ahead included. It may be called from any goroutine.
func (s *Source) Offset() int64 { return s.offset.Load() }

// Fingerprint is that of the input: of a file as it was opened, of a folder as it is now, for which each of its files is
// looked at. Standard input has none.
func (s *Source) Fingerprint() Fingerprint {
	if s.folder != nil {
		return s.folder.measure()
	}
	return s.print
}

// PassedOver is how many files of a folder are no rows, hidden ones not counted, since they are neither text nor image;
// example is the path of one.
func (s *Source) PassedOver() (n int64, example string) {
	if s.folder == nil {
		return 0, ""
	}
	return s.folder.others, s.folder.other
}

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
