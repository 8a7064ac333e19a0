package prompt

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"

	"fluxworker/worker/parquet"
	"fluxworker/worker/unpack"
)

// Stdin is the path of standard input.
const Stdin = "-"

// Source is an open input, decompressed. One Reader may read it once.
type Source struct {
	path   string
	text   *unpack.Text
	file   *os.File     // nil for standard input, a folder and Parquet
	folder *folder      // replaces text if the input is a folder
	read   atomic.Int64 // number of files of the folder, or of rows of Parquet, that were read
	size   int64
	print  Fingerprint

	// Of Parquet, which replaces text.
	table *parquet.Table
	rows  *parquet.Objects // nil before Rows
	parts []string         // paths of the files
}

// Open opens the input at path: a file, whatever it is compressed with, a folder of files, the Parquet files of a pattern, or
// standard input for "-". An error names the path and wraps the cause, so errors.Is(err, fs.ErrNotExist) works; it wraps an
// *unpack.KindError if the file is no text.
func Open(path string) (*Source, error) {
	if path == Stdin {
		// Never close standard input: its owner may need it.
		s, err := newSource(os.Stdin, Stdin)
		if err != nil {
			return nil, openError("from standard input", err)
		}
		return s, nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return newFolderSource(path)
	}
	if IsPattern(path) {
		parts, err := partsOf(path)
		if err != nil {
			return nil, openError(path, err)
		}
		s, err := newParquetSource(path, parts, nil)
		if err != nil {
			return nil, openError(path, err)
		}
		return s, nil
	}
	s, err := openFile(path)
	if err != nil {
		return nil, openError(path, err)
	}
	return s, nil
}

func openFile(path string) (*Source, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	columnar, err := isParquet(file, path)
	if err == nil && columnar {
		file.Close() // each reader of a table opens its files
		return newParquetSource(path, []string{path}, nil)
	}
	var s *Source
	if err == nil {
		s, err = newSource(file, path)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	s.file = file
	return s, nil
}

func newFolderSource(path string) (*Source, error) {
	f, err := openFolder(path)
	if err != nil {
		return nil, openError(path, err)
	}
	if len(f.parquet) == 0 {
		return &Source{path: path, folder: f, size: f.count()}, nil
	}
	s, err := newParquetSource(path, f.parquet, f)
	if err != nil {
		f.root.Close()
		return nil, openError(path, err)
	}
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
	text, err := unpack.Open(file)
	if err != nil {
		return nil, err
	}
	s := &Source{path: path, text: text}
	if path != Stdin {
		s.print = Fingerprint{Bytes: info.Size(), Modified: info.ModTime()}
	}
	if info.Mode().IsRegular() {
		s.size = info.Size()
	}
	return s, nil
}

// Rows returns the Reader of the input. It reads only the header of a table. It returns a *LayoutError if the Layout
// does not fit the input.
func (s *Source) Rows(o Options) (*Reader, error) {
	o.Name, o.Format = s.path, s.Format()
	o.complete()
	h, d := newHasher(), &decoder{defaults: o.Defaults, limit: o.MaxRowBytes}
	if s.table != nil {
		s.rows = s.table.Objects()
		f, err := newParquet(s.table, s.rows, len(s.parts), &s.read, o, h, d)
		if err != nil {
			return nil, err
		}
		o.Layout = f.layout
		return newReader(f, o, h), nil
	}
	if s.folder != nil {
		f, err := newFiles(s.folder, &s.read, o, d)
		if err != nil {
			return nil, err
		}
		return newReader(f, o, h), nil
	}
	if o.Format == CSV || o.Format == TSV {
		t, err := newTable(s.text, o, h, d)
		if err != nil {
			return nil, err
		}
		o.Layout = t.layout(o.Layout)
		return newReader(t, o, h), nil
	}
	f, err := newForm(s.text, o, h, d)
	if own, ok := f.(*objects); ok && err == nil {
		err = own.checkStart(s.text.Peek())
	}
	if err != nil {
		return nil, err
	}
	return newReader(f, o, h), nil
}

// Format returns the format that the name says: the file's, or that of the file in a zip archive.
func (s *Source) Format() Format {
	if s.table != nil {
		return Parquet
	}
	if s.folder != nil {
		return Folder
	}
	return FormatOf(cmp.Or(s.text.Member, s.path))
}

// Lines reports whether each line of the file may be a row, so that a reader can begin at any line.
func (s *Source) Lines() bool {
	switch s.Format() {
	case JSONL:
		list, _ := opensList(bytes.TrimPrefix(s.text.Start(), bom))
		return !s.text.Packed && !list
	case Text:
		return !s.text.Packed
	}
	return false
}

// Size returns the size of the file on disk in bytes, compressed if the file is; 0 if it is unknown, as for a pipe. For
// a folder it is the number of files, and for Parquet that of rows.
func (s *Source) Size() int64 { return s.size }

// Offset returns how much of Size was read so far, including read-ahead. It is safe for concurrent use.
func (s *Source) Offset() int64 {
	if s.folder != nil || s.table != nil {
		return s.read.Load()
	}
	return s.text.Offset()
}

// Fingerprint returns the fingerprint of the input: of a file at its opening, of a folder now; for a folder it reads
// the status of each file. Standard input has none.
func (s *Source) Fingerprint() Fingerprint {
	if s.folder != nil && s.table == nil {
		return s.folder.measure()
	}
	return s.print
}

// SkippedFiles returns the number of files in a folder that hold no rows, without hidden files: they are neither text nor image,
// or no Parquet beside Parquet. example is the path of one of them.
func (s *Source) SkippedFiles() (n int64, example string) {
	if s.folder == nil {
		return 0, ""
	}
	return s.folder.skipped, s.folder.skippedExample
}

// Close closes the input, except for standard input.
func (s *Source) Close() (err error) {
	if s.rows != nil {
		err = s.rows.Close()
	}
	if s.folder != nil {
		return errors.Join(err, s.folder.root.Close())
	}
	if s.text != nil {
		err = s.text.Close()
	}
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
	}
	return err
}

// openError removes the operation and path from err and adds its own.
func openError(path string, err error) error {
	if cause, ok := errors.AsType[*fs.PathError](err); ok {
		err = cause.Err
	}
	return fmt.Errorf("open input %s: %w", path, err)
}
