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

// files reads the rows of a folder.
type files struct {
	folder   *folder
	read     *atomic.Int64 // how many were handed out
	path     string        // of the row that next returned last
	template *promptTemplate
	decoder  *decoder
}

// newFiles prepares the rows of a folder. An error is a LayoutError.
func newFiles(f *folder, read *atomic.Int64, o Options, d *decoder) (*files, error) {
	r := &files{folder: f, read: read, decoder: d}
	switch {
	case o.Layout.PromptColumn != "":
		return nil, layoutErrorf("--prompt-column is for CSV and TSV files, and %s is a folder; leave it out, or make the prompts with --prompt-template", o.Name)
	case o.Layout.IDColumn != "":
		return nil, layoutErrorf("--id-column is for CSV and TSV files, and %s is a folder, whose rows are called by their files' paths; leave it out", o.Name)
	case o.NamesOnly:
		return r, nil
	case o.Layout.PromptTemplate == "" && f.images:
		return nil, layoutErrorf("%s is a folder of images: say with --prompt-template what is to be asked about each", o.Name)
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

// name is the file's path from the folder. One that is not UTF-8 would be another in the output; in quotes it is no other
// file's, since none that is a row ends in a quote.
func (r *files) name(*line) string {
	if !utf8.ValidString(r.path) {
		return strconv.Quote(r.path)
	}
	return r.path
}

func (r *files) request(l *line) (q Request, id string, p *problem) {
	id = r.name(l)
	data, p := r.load()
	if p == nil {
		l.text = data // so that another file in its place is another row where it cannot be asked
		q, p = r.ask(data)
	}
	if p != nil && p.broken == nil {
		p.text = "the file " + showPath(r.path) + " " + p.text
	}
	return q, id, p
}

// load reads the file.
func (r *files) load() ([]byte, *problem) {
	data, err := loadFile(r.folder.root, r.path, int64(r.decoder.limit))
	var large *tooLargeError
	switch {
	case err == nil:
		return data, nil
	case errors.As(err, &large):
		return nil, problemf(CodeTooLarge, "", "has %d bytes, above the limit of %d; raise it with --max-row-bytes, into another --output", large.size, r.decoder.limit)
	case isNames(err):
		return nil, problemf(CodeUnreadable, "", "cannot be read: %s", causeOf(err))
	}
	return nil, &problem{broken: fmt.Errorf("read file %s: %w", showPath(r.path), causeOf(err))}
}

// ask makes the request of what is in the file. The line ends that editors put at the end of a text are no part of it.
func (r *files) ask(data []byte) (Request, *problem) {
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
		return Request{}, problemf(CodeInvalidValue, "", "%s", wrong)
	}
	text, p := r.text(string(bytes.TrimRight(bytes.TrimPrefix(data, []byte("\ufeff")), "\r\n")))
	if p != nil {
		return Request{}, p
	}
	return r.decoder.promptRow(text, nil)
}

// text is the prompt for a file with this text.
func (r *files) text(text string) (string, *problem) {
	if r.template == nil {
		return text, nil
	}
	r.template.values["name"] = r.path
	if !r.folder.images {
		r.template.values["text"] = text
	}
	text, err := r.template.prompt()
	if err != nil {
		return "", templateProblem(err)
	}
	return text, nil
}

func (r *files) at() int64     { return max(1, r.read.Load()) }
func (r *files) buffered() int { return 0 }
