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

// Stdin is the path of standard input.
const Stdin = "-"

// Source is an open input. Data with a compressed file's name is decompressed. One Reader may read it once.
type Source struct {
	path    string
	in      io.Reader
	folder  *folder     // replaces in if the input is a folder
	closers []io.Closer // the innermost comes last
	size    int64
	offset  atomic.Int64
	print   Fingerprint
}

// Open opens the input at path: a file, which is decompressed if its name ends in .gz or .zst, a folder of files, or
// standard input for "-". An error names the path and wraps the cause, so errors.Is(err, fs.ErrNotExist) works.
func Open(path string) (*Source, error) {
	if path == Stdin {
		// Never close standard input: its owner may need it.
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
			return nil, errors.New("the file is empty and so not a gzip file")
		}
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		s.in, s.closers = plain, append(s.closers, plain)
	case ".zst":
		// One goroutine is enough: decompression is much faster than the processing of rows.
		plain, err := zstd.NewReader(s.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		closer := plain.IOReadCloser()
		s.in, s.closers = closer, append(s.closers, closer)
	}
	return s, nil
}

// Rows returns the Reader of the input. It reads only the header of a table. It returns a *LayoutError if the Layout
// does not fit the input.
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
	if err := o.Layout.checkUnused(s.path); err != nil {
		return nil, err
	}
	return newReader(newLines(s.in, o, h, d), o, h), nil
}

// Size returns the size of the file on disk in bytes, compressed if the file is; 0 if it is unknown, as for a pipe. For
// a folder it is the number of files.
func (s *Source) Size() int64 { return s.size }

// Offset returns how much of Size was read so far, including read-ahead. It is safe for concurrent use.
func (s *Source) Offset() int64 { return s.offset.Load() }

// Fingerprint returns the fingerprint of the input: of a file at its opening, of a folder now; for a folder it reads
// the status of each file. Standard input has none.
func (s *Source) Fingerprint() Fingerprint {
	if s.folder != nil {
		return s.folder.measure()
	}
	return s.print
}

// SkippedFiles returns the number of files in a folder that are not rows because they are neither text nor image, without
// hidden files; example is the path of one of them.
func (s *Source) SkippedFiles() (n int64, example string) {
	if s.folder == nil {
		return 0, ""
	}
	return s.folder.skipped, s.folder.skippedExample
}

// Close closes the input, except for standard input.
func (s *Source) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// openError removes the operation and path from err and adds its own.
func openError(path string, err error) error {
	if cause, ok := errors.AsType[*fs.PathError](err); ok {
		err = cause.Err
	}
	return fmt.Errorf("open input %s: %w", path, err)
}

// compression returns the extension of a compressed file, or "".
func compression(path string) string {
	lower := strings.ToLower(path)
	for _, ending := range []string{".gz", ".zst"} {
		if strings.HasSuffix(lower, ending) {
			return ending
		}
	}
	return ""
}

// counter counts the bytes that are read through it.
type counter struct {
	in    io.Reader
	count *atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.count.Add(int64(n))
	return n, err
}
