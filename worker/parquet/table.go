package parquet

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	pq "github.com/parquet-go/parquet-go"
)

// Magic begins a Parquet file.
const Magic = "PAR1"

// Table is the rows of one or more files with the same columns. It holds no open file.
type Table struct {
	parts []part
	rows  int64
	root  *pq.Column // of the first file
}

// part is one file of a table.
type part struct {
	path string
	rows int64
}

// Open reads the columns and the number of rows of each file. An error names the file; it wraps the operating system's error, if
// there is one.
func Open(paths []string) (*Table, error) {
	t := new(Table)
	for _, path := range paths {
		f, err := openFile(path)
		if err != nil {
			return nil, err
		}
		root := f.Root()
		f.close()
		if t.root == nil {
			t.root = root
		} else if there := difference(t.root, root); there != "" {
			return nil, fmt.Errorf("%s has other columns than %s: %s; name files with the same columns", path, paths[0], there)
		}
		t.parts = append(t.parts, part{path, f.NumRows()})
		t.rows += f.NumRows()
	}
	return t, nil
}

// Rows returns the number of rows.
func (t *Table) Rows() int64 { return t.rows }

// Columns returns the names of the columns, in order.
func (t *Table) Columns() []string { return namesOf(t.root) }

func namesOf(group *pq.Column) (names []string) {
	for _, c := range group.Columns() {
		names = append(names, c.Name())
	}
	return names
}

// file is an open file.
type file struct {
	*pq.File
	closer *os.File
}

func openFile(path string) (f *file, err error) {
	defer guard(&err, path)
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := in.Stat()
	if err == nil {
		err = checkEnd(in, info.Size())
	}
	if err == nil {
		var open *pq.File
		if open, err = pq.OpenFile(in, info.Size(), pq.SkipPageIndex(true), pq.SkipBloomFilters(true)); err != nil {
			err = fmt.Errorf("it is damaged, or it is no Parquet file: %v", err)
		}
		f = &file{open, in}
	}
	if err == nil {
		err = readable(f.Root())
	}
	if err != nil {
		in.Close()
		return nil, damaged(path, err)
	}
	return f, nil
}

// checkEnd returns an error for a file that is cut off, which has no list of columns then.
func checkEnd(in *os.File, size int64) error {
	end := make([]byte, len(Magic))
	if _, err := in.ReadAt(end, max(0, size-int64(len(end)))); err != nil {
		return err
	}
	switch string(end) {
	case Magic:
		return nil
	case "PARE":
		return errors.New("it is encrypted; write it without encryption")
	}
	return errors.New("its end is missing: is the file complete?")
}

func (f *file) close() { f.closer.Close() } // opened for reading only

// readable returns an error for a tree of columns that the library accepts and no table can have.
func readable(root *pq.Column) error {
	known := make(map[string]bool)
	for _, c := range root.Columns() {
		if known[c.Name()] {
			return fmt.Errorf("it has two columns %q", c.Name())
		}
		known[c.Name()] = true
	}
	if len(known) == 0 {
		return errors.New("it has no columns")
	}
	return nil
}

// damaged returns the error of a file that cannot be read.
func damaged(path string, err error) error {
	return fmt.Errorf("the Parquet file %s: %w", path, err)
}

// guard turns a panic of the library, which damaged files cause, into an error.
func guard(err *error, path string) {
	if cause := recover(); cause != nil {
		*err = damaged(path, fmt.Errorf("it is damaged: %v", cause))
	}
}

// difference says in which column two files differ; "" if the columns are the same.
func difference(a, b *pq.Column) string {
	x, y := namesOf(a), namesOf(b)
	for _, name := range x {
		if !slices.Contains(y, name) {
			return fmt.Sprintf("it has no column %q", name)
		}
	}
	for _, name := range y {
		if !slices.Contains(x, name) {
			return fmt.Sprintf("it has the column %q, too", name)
		}
	}
	if !slices.Equal(x, y) {
		return "their order is " + strings.Join(y, ", ") + " in place of " + strings.Join(x, ", ")
	}
	for i, x := range a.Columns() {
		y := b.Columns()[i]
		if x.Leaf() != y.Leaf() || x.Repeated() != y.Repeated() || x.Optional() != y.Optional() || typeOf(x) != typeOf(y) {
			return fmt.Sprintf("%s is %s in place of %s", strings.Join(y.Path(), "."), describe(y), describe(x))
		}
		if inner := difference(x, y); inner != "" {
			return inner
		}
	}
	return ""
}

// typeOf returns the type of a column as text; that of a group is its annotation, such as LIST.
func typeOf(c *pq.Column) string {
	if !c.Leaf() {
		return annotation(c)
	}
	return c.Type().String()
}

func describe(c *pq.Column) string {
	words := []string{typeOf(c)}
	switch {
	case c.Repeated():
		words = append([]string{"repeated"}, words...)
	case c.Optional():
		words = append([]string{"optional"}, words...)
	}
	return strings.TrimSpace(strings.Join(words, " "))
}
