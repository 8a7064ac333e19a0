package unpack

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Extensions lists the endings of the names of compressed files. The text in such a file has the name without the ending.
var Extensions = []string{".gz", ".zst", ".xz", ".bz2"}

// Text is the text in a file. It is not safe for concurrent use, but for Offset.
type Text struct {
	io.Reader
	// Member is the name of the file in a zip archive; empty otherwise.
	Member string
	// Packed reports whether the file is compressed.
	Packed bool

	closers []io.Closer // the innermost comes last
	offset  atomic.Int64
	start   []byte // of the file
}

// maxWindow is the largest window of a Zstandard frame that is read: that of zstd --long=31, which public collections of texts
// use. Such a frame takes as much memory.
const maxWindow = 2 << 30

// Open opens the text in an open file, which stays the caller's. The error is a *KindError for a file that is no text. Nothing of
// a pipe is read yet; its first Read returns these errors.
func Open(file *os.File) (*Text, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	t := new(Text)
	if !info.Mode().IsRegular() {
		t.Reader = &unopened{t, file}
		return t, nil
	}
	t.Reader, err = t.open(file, info.Size())
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// unopened opens the text at its first Read.
type unopened struct {
	text *Text
	file *os.File
}

func (u *unopened) Read(p []byte) (int, error) {
	plain, err := u.text.open(u.file, 0)
	if err != nil {
		return 0, err
	}
	u.text.Reader = plain
	return plain.Read(p)
}

// open returns the text in a file of this size; a size of 0 is unknown.
func (t *Text) open(file *os.File, size int64) (io.Reader, error) {
	in := bufio.NewReaderSize(&counter{file, &t.offset}, bufferSize)
	start, err := startOf(in)
	if err != nil {
		return nil, err
	}
	t.start = bytes.Clone(start[:min(len(start), kindSize)])
	plain, err := t.decompressor(file, size, in, start)
	if kind := (*KindError)(nil); errors.As(err, &kind) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if plain == nil {
		return in, kindOf(start)
	}
	t.Packed = true
	in = bufio.NewReaderSize(plain, bufferSize)
	if start, err = startOf(in); err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return in, kindOf(start)
}

// Start returns the first bytes of the file, as they are on the disk; none of a pipe before its first Read.
func (t *Text) Start() []byte { return t.start }

// Peek returns the start of the text, up to the size of a buffer, without consuming it; nothing of a pipe before its first Read.
func (t *Text) Peek() []byte {
	in, ok := t.Reader.(*bufio.Reader)
	if !ok {
		return nil
	}
	start, _ := in.Peek(bufferSize) // an error comes again with the next Read
	return start
}

// Offset returns how many bytes of the file were read, including read-ahead. It is safe for concurrent use.
func (t *Text) Offset() int64 { return t.offset.Load() }

// Close ends the decompression.
func (t *Text) Close() error {
	var errs []error
	for i := len(t.closers) - 1; i >= 0; i-- {
		errs = append(errs, t.closers[i].Close())
	}
	return errors.Join(errs...)
}

// bufferSize is the size in bytes of a buffer, and of the part of a file that decides its kind.
const bufferSize = 64 << 10

// startOf returns what is there of the start of the text: at least its first line or 8 bytes, unless the text is shorter.
func startOf(in *bufio.Reader) ([]byte, error) {
	for {
		_, err := in.Peek(in.Buffered() + 1)
		start, _ := in.Peek(in.Buffered())
		switch {
		case err == io.EOF, len(start) >= 8, bytes.IndexByte(start, '\n') >= 0:
			return start, nil
		case err != nil:
			return nil, err
		}
	}
}

// decompressor returns the reader for what the first bytes say; nil for a file that is not compressed.
func (t *Text) decompressor(file *os.File, size int64, in *bufio.Reader, start []byte) (io.Reader, error) {
	is := func(magic string) bool { return bytes.HasPrefix(start, []byte(magic)) }
	switch {
	case is("\x1f\x8b"):
		return newMembers(in)
	case is("\x28\xb5\x2f\xfd"), len(start) >= 4 && start[0]&0xf0 == 0x50 && string(start[1:4]) == "\x2a\x4d\x18": // or a skippable frame
		// One goroutine is enough: decompression is much faster than the processing of rows.
		plain, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		closer := plain.IOReadCloser()
		t.closers = append(t.closers, closer)
		return closer, nil
	case is("\xfd7zXZ\x00"):
		return xz.NewReader(in)
	case is("BZh") && len(start) >= 8 && (string(start[4:8]) == "1AY&" || string(start[4:8]) == "\x17\x72\x45\x38"):
		return bzip2.NewReader(in), nil
	case is("PK\x03\x04"), is("PK\x05\x06"):
		return t.member(file, size)
	}
	return nil, nil
}

// member opens the only file in a zip archive.
func (t *Text) member(file *os.File, size int64) (io.Reader, error) {
	if size == 0 {
		return nil, &KindError{"a zip archive", "which cannot be read from a pipe: give the text to the pipe, as in unzip -p x.zip | fluxworker …"}
	}
	archive, err := zip.NewReader(&counterAt{file, &t.offset}, size)
	if err != nil {
		return nil, err
	}
	t.offset.Store(0) // without the directory at the end of the file
	var files []*zip.File
	for _, f := range archive.File {
		if kind := documentOf(f.Name); kind != nil {
			return nil, kind
		}
		if !f.FileInfo().IsDir() && !strings.HasPrefix(f.Name, "__MACOSX/") && path.Base(f.Name) != ".DS_Store" {
			files = append(files, f)
		}
	}
	switch {
	case len(files) != 1:
		return nil, &KindError{fmt.Sprintf("a zip archive of %d files", len(files)), unpackTar}
	case files[0].Flags&1 != 0:
		return nil, &KindError{"a zip archive with a password", decompress}
	}
	member, err := files[0].Open()
	if err != nil {
		return nil, err
	}
	t.Member, t.closers = files[0].Name, append(t.closers, member)
	return member, nil
}

// documentOf returns the kind of the document that is a zip archive with a file of this name; nil if the name says nothing.
func documentOf(name string) error {
	switch {
	case strings.HasPrefix(name, "xl/"):
		return &KindError{"an Excel workbook", saveAsCSV}
	case strings.HasPrefix(name, "word/"):
		return &KindError{"a Word document", takeText}
	case name == "META-INF/manifest.xml":
		return &KindError{"an OpenDocument file", saveAsCSV}
	}
	return nil
}

// members reads the members of a gzip file as one text, also where zeros are between or behind them, as tapes and some
// programs pad.
type members struct {
	in     *bufio.Reader
	member *gzip.Reader
}

func newMembers(in *bufio.Reader) (*members, error) {
	member, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	member.Multistream(false)
	return &members{in, member}, nil
}

func (m *members) Read(p []byte) (int, error) {
	for {
		n, err := m.member.Read(p)
		if err != io.EOF {
			return n, err
		}
		if err := m.next(); err != nil || n > 0 {
			return n, err
		}
	}
}

// next goes on to the next member, or returns io.EOF behind the last.
func (m *members) next() error {
	for {
		b, err := m.in.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			break
		}
	}
	if err := m.in.UnreadByte(); err != nil {
		return err
	}
	if err := m.member.Reset(m.in); err != nil {
		return err
	}
	m.member.Multistream(false)
	return nil
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

// counterAt counts the bytes that are read through it, from any place.
type counterAt struct {
	in    io.ReaderAt
	count *atomic.Int64
}

func (c *counterAt) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.in.ReadAt(p, at)
	c.count.Add(int64(n))
	return n, err
}
