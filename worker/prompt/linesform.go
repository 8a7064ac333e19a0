package prompt

import (
	"bufio"
	"bytes"
	"io"
)

// lines reads the rows of JSONL, of a JSON list, and of text: each line that is neither blank nor a comment, or each element.
type lines struct {
	in      *bufio.Reader
	options Options
	hasher  *hasher
	rows    splitter // nil before the first row
	format  Format
	decoder *decoder
	guessed bool // the first line decided the format
}

func newLines(r io.Reader, o Options, h *hasher, d *decoder) *lines {
	return &lines{in: bufio.NewReaderSize(r, 64<<10), options: o, hasher: h, format: o.Format, decoder: d}
}

// begin skips a byte order mark and determines the format.
func (f *lines) begin() error {
	start, err := f.in.Peek(len(bom))
	if err != nil && err != io.EOF {
		return err
	}
	if bytes.HasPrefix(start, bom) {
		if _, err := f.in.Discard(len(bom)); err != nil {
			return err
		}
	}
	if f.format == Auto {
		if f.format, err = sniff(f.in); err != nil {
			return err
		}
		f.guessed = true
	}
	limit := f.options.MaxRowBytes
	if f.format == JSONL && beginsList(f.in) {
		f.rows = &listReader{in: f.in, limit: limit, hasher: f.hasher}
		return nil
	}
	f.rows = &lineReader{in: f.in, limit: limit, hasher: f.hasher, comments: f.format == JSONL}
	return nil
}

// beginsList reports whether the unread input is a list of objects, or an empty list.
func beginsList(in *bufio.Reader) bool {
	for n := 1; ; n = in.Buffered() + 1 {
		_, err := in.Peek(n)
		window, _ := in.Peek(in.Buffered())
		if list, known := opensList(window); known || err != nil {
			return list
		}
	}
}

// opensList reports whether a text begins with a list whose first element is an object, or that is empty. known is false if the
// text is too short to tell.
func opensList(start []byte) (list, known bool) {
	start = bytes.TrimLeft(start, blanks+"\n")
	if len(start) == 0 || start[0] != '[' {
		return false, len(start) > 0
	}
	start = bytes.TrimLeft(start[1:], blanks+"\n")
	return len(start) > 0 && (start[0] == '{' || start[0] == ']'), len(start) > 0
}

func (f *lines) next() (line, error) {
	if f.rows == nil {
		if err := f.begin(); err != nil {
			return line{}, err
		}
	}
	return f.rows.next()
}

func (f *lines) name(l *line) (id string) {
	if f.format != Text {
		_, id, _ = objectOf(l.text)
	}
	return id
}

func (f *lines) request(l *line) (r Request, id string, p *rowError) {
	if f.format == Text {
		r, p = f.decoder.textLine(l.text)
		return r, "", p
	}
	return f.decoder.jsonLine(l.text)
}

func (f *lines) remarks() []string {
	if f.guessed && f.format == Text {
		return []string{"the input is taken for text, each of its lines for a prompt; a table needs a name that ends in .csv or .tsv"}
	}
	return nil
}

// unit names what a position counts.
func (f *lines) unit() string {
	switch f.rows.(type) {
	case *listReader, *parquetRows:
		return "row"
	}
	return "line"
}

func (f *lines) at() int64 {
	if f.rows == nil {
		return 1
	}
	return max(1, f.rows.position())
}

func (f *lines) buffered() int { return f.in.Buffered() }
