package parquet

import (
	"fmt"
	"io"

	pq "github.com/parquet-go/parquet-go"
)

// batch is the number of rows that are read at once. A batch holds the pages of its values in memory.
const batch = 64

// Reader reads the rows of a table, or some columns of the rows. It is not safe for concurrent use.
type Reader struct {
	table  *Table
	chosen []bool // by leaf column; nil for all
	at     int64  // index of the next row

	part   int // of the open file, in table.parts
	file   *file
	groups []pq.RowGroup // that are not read yet
	rows   pq.Rows       // of the row group that is read
	buffer []pq.Row
	ready  []pq.Row // of the buffer, those that are not returned yet
	ended  bool     // the row group has no rows behind those of the buffer
	read   int64    // rows of the open file that were returned
}

// NewReader returns a Reader that begins at the first row.
func (t *Table) NewReader() *Reader { return &Reader{table: t, buffer: make([]pq.Row, batch)} }

// Close closes the open file.
func (r *Reader) Close() error {
	var err error
	if r.rows != nil {
		err = r.rows.Close()
		r.rows = nil
	}
	if r.file != nil {
		r.file.close()
		r.file = nil
	}
	return err
}

// next returns the values of the next row, in the order of the leaf columns, or io.EOF. They are valid until the next call.
func (r *Reader) next() (row pq.Row, err error) {
	if r.part < len(r.table.parts) {
		defer guard(&err, r.table.parts[r.part].path)
	}
	for len(r.ready) == 0 {
		if r.part == len(r.table.parts) {
			return nil, io.EOF
		}
		if err := r.fill(); err != nil {
			return nil, damaged(r.table.parts[r.part].path, err)
		}
	}
	row, r.ready = r.ready[0], r.ready[1:]
	r.at++
	r.read++
	return row, nil
}

// fill takes the next step towards a ready row: it opens a file or a row group, reads a batch, or closes what is read.
func (r *Reader) fill() error {
	switch {
	case r.file == nil:
		var err error
		if r.file, err = openFile(r.table.parts[r.part].path); err != nil {
			return err
		}
		r.groups, r.read = r.file.RowGroups(), 0
		if there := difference(r.table.root, r.file.Root()); there != "" {
			return fmt.Errorf("it was replaced by a file with other columns: %s", there)
		}
	case r.rows == nil && len(r.groups) == 0:
		if want := r.table.parts[r.part].rows; r.read != want {
			return fmt.Errorf("it has %d rows, and its end says %d: it is damaged, or it was replaced", r.read, want)
		}
		err := r.Close()
		r.part++
		return err
	case r.rows == nil:
		r.rows, r.ended = pq.NewRowGroupRowReader(r.selected(r.groups[0])), false
		r.groups = r.groups[1:]
	case r.ended:
		err := r.rows.Close()
		r.rows = nil
		return err
	default:
		n, err := r.rows.ReadRows(r.buffer)
		r.ready, r.ended = r.buffer[:n], err == io.EOF
		if err != nil && err != io.EOF {
			return err
		}
		if n == 0 && err == nil {
			return io.ErrNoProgress
		}
	}
	return nil
}

// selected returns a row group with the chosen columns only, so that the bytes of other columns are not read.
func (r *Reader) selected(g pq.RowGroup) pq.RowGroup {
	if r.chosen == nil {
		return g
	}
	var chunks []pq.ColumnChunk
	for i, chunk := range g.ColumnChunks() {
		if r.chosen[i] {
			chunks = append(chunks, chunk)
		}
	}
	return someColumns{g, chunks}
}

type someColumns struct {
	pq.RowGroup
	chunks []pq.ColumnChunk
}

func (s someColumns) ColumnChunks() []pq.ColumnChunk { return s.chunks }

// byLeaf puts the values of each leaf column of a row into its place in leaves.
func byLeaf(row pq.Row, leaves []pq.Row) {
	clear(leaves)
	for from := 0; from < len(row); {
		to, column := from+1, row[from].Column()
		for to < len(row) && row[to].Column() == column {
			to++
		}
		leaves[column] = row[from:to]
		from = to
	}
}
