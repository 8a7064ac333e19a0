package prompt

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The columns that a table's rows take their prompt and their name from where nobody says otherwise: what JSONL calls
// them.
const (
	defaultPromptColumn = "prompt"
	defaultIDColumn     = "custom_id"
)

// Layout says what of a table's record, or of a folder's file, is the prompt. JSONL and text have none: their rows say it
// themselves.
type Layout struct {
	// PromptColumn is the column of a table that holds the prompts; "prompt" if neither it nor PromptTemplate is set.
	PromptColumn string
	// PromptTemplate is a text/template that makes the prompt: of the cells of a record by their column's name, of a file's
	// text and name, or, for a folder of images, of the name alone.
	PromptTemplate string
	// IDColumn is the column of a table that holds the custom_ids; "custom_id", where there is such a one, if empty.
	IDColumn string
}

// LayoutError is a Layout that cannot be used, or not with this input.
type LayoutError struct{ Err error }

func (e *LayoutError) Error() string { return e.Err.Error() }
func (e *LayoutError) Unwrap() error { return e.Err }

// Check finds what is wrong whatever the input is. The error is a LayoutError.
func (l Layout) Check() error {
	if l.PromptColumn != "" && l.PromptTemplate != "" {
		return layoutErrorf("--prompt-column and --prompt-template are both given; a row has one prompt, leave out one of them")
	}
	_, err := parsePrompt(l.PromptTemplate)
	return err
}

// refuse is the error of a Layout for an input that takes none.
func (l Layout) refuse(name string) error {
	const tables = "CSV and TSV files (.csv, .tsv)"
	for _, given := range []struct{ flag, value, takes, says string }{
		{"--prompt-column", l.PromptColumn, tables, "prompt"},
		{"--prompt-template", l.PromptTemplate, tables + " and folders", "prompt"},
		{"--id-column", l.IDColumn, tables, "custom_id"},
	} {
		if given.value != "" {
			return layoutErrorf("%s is for %s, and %s is read as JSONL or text, whose rows say themselves what their %s is; leave it out",
				given.flag, given.takes, name, given.says)
		}
	}
	return nil
}

func layoutErrorf(format string, args ...any) error {
	return &LayoutError{fmt.Errorf(format, args...)}
}

// columns are the names in a table's header.
type columns []string

// place is where a column stands.
func (c columns) place(name string) (int, error) {
	first := slices.Index(c, name)
	if first < 0 {
		return 0, fmt.Errorf("there is no column %s; the columns are %s", quote(name), c)
	}
	if again := slices.Index(c[first+1:], name); again >= 0 {
		return 0, fmt.Errorf("column %s is there more than once (at %d and %d); rename one", quote(name), first+1, first+again+2)
	}
	return first, nil
}

// shownColumns is how many columns a message names.
const shownColumns = 30

// String lists the columns for a message.
func (c columns) String() string {
	var b strings.Builder
	for i, name := range c[:min(len(c), shownColumns)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quote(name))
	}
	if more := len(c) - shownColumns; more > 0 {
		b.WriteString(" and " + strconv.Itoa(more) + " more")
	}
	if len(c) == 1 && strings.ContainsAny(c[0], ";\t,|") {
		b.WriteString(" (is that several? A .csv file is separated by commas, a .tsv file by tabs)")
	}
	return b.String()
}

// idColumn is the column of the custom_ids, or -1.
func (c columns) idColumn(l Layout) (int, error) {
	if l.IDColumn == "" {
		if !slices.Contains(c, defaultIDColumn) {
			return -1, nil
		}
		return c.place(defaultIDColumn)
	}
	at, err := c.place(l.IDColumn)
	if err != nil {
		return 0, fmt.Errorf("--id-column: %w", err)
	}
	return at, nil
}

// promptColumn is the column of the prompts.
func (c columns) promptColumn(l Layout) (int, error) {
	name := l.PromptColumn
	if name == "" {
		name = defaultPromptColumn
		if !slices.Contains(c, name) {
			return 0, errors.New("say with --prompt-column which column holds the prompt, or make it of several with --prompt-template; the columns are " + c.String())
		}
	}
	at, err := c.place(name)
	if err != nil {
		return 0, fmt.Errorf("--prompt-column: %w", err)
	}
	return at, nil
}
