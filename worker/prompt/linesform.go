package prompt

import (
	"bufio"
	"bytes"
	"io"
)

// lines reads the rows of JSONL and text: each line that is neither blank nor a comment.
type lines struct {
	reader  lineReader
	format  Format
	decoder *decoder
	begun   bool
	guessed bool // the first line decided the format
}

func newLines(r io.Reader, o Options, h *hasher, d *decoder) *lines {
	in := bufio.NewReaderSize(r, 64<<10)
	return &lines{format: o.Format, decoder: d, reader: lineReader{in: in, limit: o.MaxRowBytes, hasher: h}}
}

// begin skips a byte order mark and determines the format.
func (f *lines) begin() error {
	start, err := f.reader.in.Peek(len(bom))
	if err != nil && err != io.EOF {
		return err
	}
	if bytes.HasPrefix(start, bom) {
		if _, err := f.reader.in.Discard(len(bom)); err != nil {
			return err
		}
	}
	if f.format == Auto {
		if f.format, err = sniff(f.reader.in); err != nil {
			return err
		}
		f.guessed = true
	}
	f.reader.comments = f.format == JSONL
	f.begun = true
	return nil
}

func (f *lines) next() (line, error) {
	if !f.begun {
		if err := f.begin(); err != nil {
			return line{}, err
		}
	}
	return f.reader.next()
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

func (f *lines) at() int64     { return max(1, f.reader.number) }
func (f *lines) buffered() int { return f.reader.in.Buffered() }
