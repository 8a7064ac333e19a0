package prompt

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The default columns of a table's prompts and custom_ids. They have the same names as the fields of JSONL.
const (
	defaultPromptColumn   = "prompt"
	defaultIDColumn       = "custom_id"
	defaultMessagesColumn = "messages"
)

// Layout says which part of a table's record, of a JSON object with columns of the user's own, or of a folder's file is the
// prompt. Text has no Layout. The zero Layout means for JSON that the objects are rows of OpenAI's Batch API, or short rows.
type Layout struct {
	// PromptColumn is the column with the prompts. The default is "prompt" if PromptTemplate and MessagesColumn are empty, too.
	PromptColumn string
	// PromptTemplate is a text/template for the prompt. Its values are the columns by name, or the text and name of a file, or
	// only the name for an image.
	PromptTemplate string
	// MessagesColumn is the column of JSON objects with a conversation: a list of messages with role and content, or with from
	// and value.
	MessagesColumn string
	// IDColumn is the column with the custom_ids. The default is "custom_id" if that column exists.
	IDColumn string
}

// LayoutError is a Layout that is invalid, or does not fit the input.
type LayoutError struct{ Err error }

func (e *LayoutError) Error() string { return e.Err.Error() }
func (e *LayoutError) Unwrap() error { return e.Err }

// Check finds the errors that do not depend on the input. The error is a *LayoutError.
func (l Layout) Check() error {
	var given []string
	for _, f := range []struct{ flag, value string }{
		{"--prompt-column", l.PromptColumn}, {"--prompt-template", l.PromptTemplate}, {"--messages-column", l.MessagesColumn},
	} {
		if f.value != "" {
			given = append(given, f.flag)
		}
	}
	if len(given) > 1 {
		return layoutErrorf("%s exclude each other; remove one of them", strings.Join(given, " and "))
	}
	_, err := parsePrompt(l.PromptTemplate)
	return err
}

// errUnused returns the error of a Layout that is given for text.
func (l Layout) errUnused(name string) error {
	for _, given := range []struct{ flag, value string }{
		{"--prompt-column", l.PromptColumn}, {"--prompt-template", l.PromptTemplate}, {"--messages-column", l.MessagesColumn}, {"--id-column", l.IDColumn},
	} {
		if given.value != "" {
			return layoutErrorf("%s is for tables (.csv, .tsv), JSONL, JSON lists and folders, but %s is text, in which a line is a prompt; remove the flag", given.flag, name)
		}
	}
	return nil
}

func layoutErrorf(format string, args ...any) error {
	return &LayoutError{fmt.Errorf(format, args...)}
}

// columns are the column names in a table's header.
type columns []string

// position returns the index of a column. It returns an error if the column does not exist or exists more than once.
func (c columns) position(name string) (int, error) {
	first := slices.Index(c, name)
	if first < 0 {
		return 0, fmt.Errorf("there is no column %s; the columns are %s", quote(name), c)
	}
	if again := slices.Index(c[first+1:], name); again >= 0 {
		return 0, fmt.Errorf("column %s exists more than once (at %d and %d); rename one", quote(name), first+1, first+again+2)
	}
	return first, nil
}

// unique returns the names that only one column has.
func (c columns) unique() []string {
	count := make(map[string]int, len(c))
	for _, name := range c {
		count[name]++
	}
	return slices.DeleteFunc(slices.Clone(c), func(name string) bool { return count[name] > 1 })
}

// distinct returns the names, with a number behind each name that an earlier column has: spreadsheets write several columns without a
// name.
func (c columns) distinct() []string {
	count := make(map[string]int, len(c)) // how many columns have a name so far
	for _, name := range c {
		count[name] = 0
	}
	list := make([]string, len(c))
	for i, name := range c {
		taken := count[name] > 0
		for list[i] = name; taken; _, taken = count[list[i]] {
			count[name]++
			list[i] = name + "_" + strconv.Itoa(count[name])
		}
		count[list[i]] = max(count[list[i]], 1)
	}
	return list
}

// shownColumns is the maximum number of columns in a message.
const shownColumns = 30

// String returns the columns for a message.
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
	return b.String()
}

// idColumn returns the index of the custom_id column, or -1.
func (c columns) idColumn(l Layout) (int, error) {
	if l.IDColumn == "" {
		if !slices.Contains(c, defaultIDColumn) {
			return -1, nil
		}
		return c.position(defaultIDColumn)
	}
	at, err := c.position(l.IDColumn)
	if err != nil {
		return 0, fmt.Errorf("--id-column: %w", err)
	}
	return at, nil
}

// promptColumn returns the index of the prompt column.
func (c columns) promptColumn(l Layout) (int, error) {
	name := l.PromptColumn
	if name == "" {
		name = defaultPromptColumn
		if !slices.Contains(c, name) {
			return 0, errors.New("name the prompt's column with --prompt-column, or combine columns with --prompt-template; the columns are " + c.String())
		}
	}
	at, err := c.position(name)
	if err != nil {
		return 0, fmt.Errorf("--prompt-column: %w", err)
	}
	return at, nil
}
