package prompt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// files reads the rows of a folder: each file is one row.
type files struct {
	folder   *folder
	read     *atomic.Int64 // number of files returned so far
	path     string        // path of the row that next returned last
	template *promptTemplate
	decoder  *decoder
}

// newFiles prepares the rows of a folder. The error is a *LayoutError.
func newFiles(f *folder, read *atomic.Int64, o Options, d *decoder) (*files, error) {
	r := &files{folder: f, read: read, decoder: d}
	switch {
	case o.Layout.PromptColumn != "":
		return nil, layoutErrorf("--prompt-column is for CSV and TSV files, but %s is a folder; remove the flag, or use --prompt-template", o.Name)
	case o.Layout.MessagesColumn != "":
		return nil, layoutErrorf("--messages-column is for JSONL and JSON lists, but %s is a folder; remove the flag", o.Name)
	case o.Layout.IDColumn != "":
		return nil, layoutErrorf("--id-column is for CSV and TSV files, but %s is a folder, whose rows have their files' paths as names; remove the flag", o.Name)
	case o.NamesOnly:
		return r, nil
	case o.Layout.PromptTemplate == "" && f.images:
		return nil, layoutErrorf("%s is a folder of images; give the question about each image with --prompt-template", o.Name)
	case o.Layout.PromptTemplate == "":
		return r, nil
	}
	var err error
	if r.template, err = parsePrompt(o.Layout.PromptTemplate); err != nil {
		return nil, err
	}
	names := []string{"text", "name"}
	if f.images {
		names = []string{"name"}
	} else if err := r.template.checkUse(o.Layout.PromptTemplate, "text"); err != nil {
		return nil, err
	}
	return r, r.template.check(names, func(name string) error {
		if !slices.Contains(names, name) {
			return fmt.Errorf("there is no %s; for the files of %s there is .%s", quote(name), o.Name, strings.Join(names, " and ."))
		}
		return nil
	})
}

func (r *files) next() (line, error) {
	at := r.read.Load()
	if at == r.folder.count() {
		return line{}, io.EOF
	}
	r.path = string(r.folder.at(r.folder.starts[at]))
	r.read.Store(at + 1)
	return line{number: at + 1}, nil
}

// name returns the file's path from the folder. A path that is not UTF-8 is returned quoted, because the output could
// not hold it. No other row has that name: the name of a row's file never ends in a quote.
func (r *files) name(*line) string {
	if !utf8.ValidString(r.path) {
		return strconv.Quote(r.path)
	}
	return r.path
}

func (r *files) request(l *line) (q Request, id string, p *rowError) {
	id = r.name(l)
	data, p := r.load()
	if p == nil {
		l.text = data // so that a changed file has another key even if it cannot be sent
		q, p = r.ask(data)
	}
	if p != nil && p.ioErr == nil {
		p.text = "the file " + showPath(r.path) + " " + p.text
	}
	return q, id, p
}

// load reads the file.
func (r *files) load() ([]byte, *rowError) {
	data, err := loadFile(r.folder.root, r.path, int64(r.decoder.limit))
	var large *tooLargeError
	switch {
	case err == nil:
		return data, nil
	case errors.As(err, &large):
		return nil, rowErrorf(CodeTooLarge, "", "has %d bytes, above the limit of %d; raise the limit with --max-row-bytes and use another --output", large.size, r.decoder.limit)
	case isRowFault(err):
		return nil, rowErrorf(CodeUnreadable, "", "cannot be read: %s", causeOf(err))
	}
	return nil, &rowError{ioErr: fmt.Errorf("read file %s: %w", showPath(r.path), causeOf(err))}
}

// ask returns the request for the contents of a file. Line ends at the end of a text do not count: editors add them.
func (r *files) ask(data []byte) (Request, *rowError) {
	if r.folder.images {
		if p := checkImage(data); p != nil {
			return Request{}, p
		}
		text, p := r.text("")
		if p != nil {
			return Request{}, p
		}
		return r.decoder.promptRow(text, [][]byte{data})
	}
	if wrong := notUTF8(data); wrong != "" {
		return Request{}, rowErrorf(CodeInvalidValue, "", "%s", wrong)
	}
	text, p := r.text(string(bytes.TrimRight(bytes.TrimPrefix(data, []byte("\ufeff")), "\r\n")))
	if p != nil {
		return Request{}, p
	}
	return r.decoder.promptRow(text, nil)
}

// text returns the prompt for a file with the given text.
func (r *files) text(text string) (string, *rowError) {
	if r.template == nil {
		return text, nil
	}
	r.template.values["name"] = r.path
	if !r.folder.images {
		r.template.values["text"] = text
	}
	text, err := r.template.prompt()
	if err != nil {
		return "", templateError(err)
	}
	return text, nil
}

func (r *files) unit() string      { return "file" }
func (r *files) remarks() []string { return nil }

func (r *files) at() int64     { return max(1, r.read.Load()) }
func (r *files) buffered() int { return 0 }
