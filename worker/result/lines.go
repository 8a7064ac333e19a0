package result

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"fluxworker/worker/json"
	"fluxworker/worker/prompt"
)

const (
	// chunkBytes is the size of the pieces in which a file is parsed: large enough that passing a piece on costs
	// nothing, and small enough for a core's cache.
	chunkBytes = 256 << 10
	// maxParsers is the maximum number of parsing cores: no file system delivers more than they can parse.
	maxParsers = 16
)

// parsed is one line of a file with its key.
type parsed struct {
	text  []byte // with its newline; valid until the callback returns
	key   prompt.Key
	place place
	err   error // why the text is not a result line; key and place are unset then
}

// whole reports whether the line has a newline. The last line of a file may have none.
func (l parsed) whole() bool { return l.text[len(l.text)-1] == '\n' }

// scanner reads the lines of files in order and parses them on all cores. Several files may be read at the same time.
// They share the scanner's memory of some megabytes.
type scanner struct{ free chan *chunk }

// chunk is a piece of a file that ends at a line end.
type chunk struct {
	data   []byte
	lines  []parsed
	parsed chan struct{} // closed when lines is complete
}

func newScanner() *scanner {
	n := 2*min(runtime.GOMAXPROCS(0), maxParsers) + 1 // one chunk per core is parsed, one is read, and the others wait for their turn
	s := &scanner{free: make(chan *chunk, n)}
	for range n {
		s.free <- new(chunk)
	}
	return s
}

// eachLine calls do for each line of the file at path, with its own scanner.
func eachLine(ctx context.Context, d disk, path string, do func(parsed) error) error {
	f, err := d.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return &WriteError{Path: path, Err: err}
	}
	defer f.Close()
	return newScanner().each(ctx, f, path, do)
}

// each calls do for each line of a file in order. It stops at an error of do and at the end of the context.
func (s *scanner) each(ctx context.Context, f io.Reader, path string, do func(parsed) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	chunks, ended := make(chan *chunk, cap(s.free)), make(chan error, 1) // room for all chunks
	go func() {
		defer close(chunks)
		ended <- s.read(ctx, f, path, chunks)
	}()
	var err error
	for c := range chunks {
		<-c.parsed
		if err == nil {
			err = c.each(do)
		}
		if err != nil {
			cancel()
		}
		s.free <- c
	}
	if readErr := <-ended; err == nil {
		err = readErr
	}
	return err
}

// read sends the chunks of a file in order while they are parsed.
func (s *scanner) read(ctx context.Context, f io.Reader, path string, chunks chan<- *chunk) error {
	var rest []byte // the start of a line that ends in the next chunk
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx) // with several ready cases, select would choose at random
		}
		var c *chunk
		select {
		case c = <-s.free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		var err error
		if rest, err = c.fill(f, rest); err != nil && !errors.Is(err, io.EOF) {
			s.free <- c
			return fmt.Errorf("read %s: %w", path, err)
		}
		c.parsed = make(chan struct{})
		go c.parse()
		chunks <- c
		if err != nil {
			return nil
		}
	}
}

// fill sets the chunk to rest plus the next bytes of the file, up to a line end; a long line makes the chunk larger. It
// returns the bytes after that line end in rest's memory. With io.EOF there are none.
func (c *chunk) fill(f io.Reader, rest []byte) ([]byte, error) {
	if cap(c.data) < chunkBytes || cap(c.data) > 4*chunkBytes {
		c.data = make([]byte, 0, chunkBytes)
	}
	c.data = append(c.data[:0], rest...)
	for searched := 0; ; {
		if len(c.data) == cap(c.data) {
			c.data = append(make([]byte, 0, 2*cap(c.data)), c.data...)
		}
		n, err := f.Read(c.data[len(c.data):cap(c.data)])
		c.data = c.data[:len(c.data)+n]
		if err != nil {
			return rest[:0], err
		}
		if len(c.data) < cap(c.data) {
			continue
		}
		if end := bytes.LastIndexByte(c.data[searched:], '\n'); end >= 0 {
			end += searched + 1
			rest = append(rest[:0], c.data[end:]...)
			c.data = c.data[:end]
			return rest, nil
		}
		searched = len(c.data)
	}
}

// parse splits the chunk into lines and parses their keys.
func (c *chunk) parse() {
	defer close(c.parsed)
	c.lines = c.lines[:0]
	for text := range bytes.Lines(c.data) {
		l := parsed{text: text}
		if l.key, l.err = keyOf(text); l.err == nil {
			l.place = statedPlace(text)
		}
		c.lines = append(c.lines, l)
	}
}

func (c *chunk) each(do func(parsed) error) error {
	for _, l := range c.lines {
		if err := do(l); err != nil {
			return err
		}
	}
	return nil
}

// lineStart is the start of every result line.
const lineStart = `{"id":"batch_req_`

// The offsets of the id and its digits in a line as this package writes it.
const (
	idStart   = len(`{"id":"`)
	idDigits  = len(lineStart)
	idEnd     = idDigits + 2*len(prompt.Key{})
	idClosing = '"'
)

// keyOf returns the key of a line. It returns an error if the line is not valid JSON with a key.
func keyOf(line []byte) (prompt.Key, error) {
	if len(line) > idEnd && string(line[:idStart]) == lineStart[:idStart] && line[idEnd] == idClosing { // as this package writes it
		if !json.Valid(line) {
			return prompt.Key{}, errors.New("it is not JSON")
		}
		return keyAt(line)
	}
	var l struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return prompt.Key{}, err
	}
	return prompt.ParseKey(l.ID)
}

// keyAt returns the key at its fixed offset in a line as this package writes it.
func keyAt(line []byte) (prompt.Key, error) {
	var k prompt.Key
	if string(line[:idDigits]) == lineStart {
		if _, err := hex.Decode(k[:], line[idDigits:idEnd]); err == nil {
			return k, nil
		}
	}
	return prompt.ParseKey(string(line[idStart:idEnd])) // for its error
}
