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
	// chunkBytes is how much of a file is parsed in one go: enough that handing it over costs nothing, and little enough that
	// all of it stays in a core's cache.
	chunkBytes = 256 << 10
	// mostParsers is on how many cores at most: no file system gives more than these take.
	mostParsers = 16
)

// parsed is one line of a file, and what it says.
type parsed struct {
	text []byte // its newline included; valid until whoever was given the line returns
	key  prompt.Key
	err  error // why it is no line of ours; then there is no key
}

// whole tells whether the line has its end: the last one of a file may have none.
func (l parsed) whole() bool { return l.text[len(l.text)-1] == '\n' }

// scanner reads the lines of files in their order and parses them on all cores. Several files may be read at once: they
// share what the scanner has of memory, some megabytes, whatever the files hold.
type scanner struct{ free chan *chunk }

// chunk is a piece of a file that ends where a line does.
type chunk struct {
	data   []byte
	lines  []parsed
	parsed chan struct{} // closed when the lines are there
}

func newScanner() *scanner {
	n := 2*min(runtime.GOMAXPROCS(0), mostParsers) + 1 // one is parsed on each core while one is read, and one waits for its turn
	s := &scanner{free: make(chan *chunk, n)}
	for range n {
		s.free <- new(chunk)
	}
	return s
}

// eachLine calls do with each line of the file at a path, as a scanner of its own does.
func eachLine(ctx context.Context, d disk, path string, do func(parsed) error) error {
	f, err := d.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return &WriteError{Path: path, Err: err}
	}
	defer f.Close()
	return newScanner().each(ctx, f, path, do)
}

// each calls do with each line of a file, one after the other. An error of do ends it, and so does the context's end.
func (s *scanner) each(ctx context.Context, f io.Reader, path string, do func(parsed) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	chunks, ended := make(chan *chunk, cap(s.free)), make(chan error, 1) // there is room for all chunks that there are
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

// read hands over a file in chunks, in order, while these are being parsed.
func (s *scanner) read(ctx context.Context, f io.Reader, path string, chunks chan<- *chunk) error {
	var rest []byte // of a line that ends in the next chunk
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx) // select would choose by chance
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

// fill takes what is left of the chunk before and reads on to the end of a line; a chunk with a long line is larger than
// others. It returns what it has read beyond, in rest's memory. With io.EOF there is nothing beyond.
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

// parse finds the lines of the chunk and what they say.
func (c *chunk) parse() {
	defer close(c.parsed)
	c.lines = c.lines[:0]
	for text := range bytes.Lines(c.data) {
		key, err := keyOf(text)
		c.lines = append(c.lines, parsed{text: text, key: key, err: err})
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

// lineStart is how every line of ours begins.
const lineStart = `{"id":"batch_req_`

// Where the id stands in a line as we write it, and in it its digits.
const (
	idStart   = len(`{"id":"`)
	idDigits  = len(lineStart)
	idEnd     = idDigits + 2*len(prompt.Key{})
	idClosing = '"'
)

// keyOf takes the key out of a line and checks that the line is whole.
func keyOf(line []byte) (prompt.Key, error) {
	if len(line) > idEnd && string(line[:idStart]) == lineStart[:idStart] && line[idEnd] == idClosing { // as we write it
		if !json.Valid(line) {
			return prompt.Key{}, errors.New("it is no JSON")
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

// keyAt reads the id where it stands in a line as we write it.
func keyAt(line []byte) (prompt.Key, error) {
	var k prompt.Key
	if string(line[:idDigits]) == lineStart {
		if _, err := hex.Decode(k[:], line[idDigits:idEnd]); err == nil {
			return k, nil
		}
	}
	return prompt.ParseKey(string(line[idStart:idEnd])) // which says what is wrong with it
}
