package terminal

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// gap is the space between two columns.
const gap = 2

// Column is a column of a table. A table whose columns do not fit the window leaves out columns with high ranks.
type Column struct {
	Rank int
	// WideRank is the rank of the full width of the column, among the ranks of the other columns. With 0, the column gets more than
	// its smallest width when all others have a place.
	WideRank int
	Right    bool // the cells end at the right
	// CutTo is the number of terminal columns to which the cells may be cut; 0 cuts no cell.
	CutTo int
	// Bar is the largest number of terminal columns of a bar, and CutTo the smallest. 0 means that the cells are text.
	Bar   int
	Cells []Cell
}

// Cell is a cell of a column.
type Cell struct {
	Text   string
	Short  string // for a narrow window; "" is Text
	Part   float64
	Colour Colour
}

// narrow and wide return the smallest and the largest useful width of a column.
func (c Column) narrow() int {
	if c.Bar > 0 {
		return c.CutTo
	}
	n := c.widest(true)
	if c.CutTo > 0 {
		n = min(n, c.CutTo)
	}
	return n
}

func (c Column) wide() int { return max(c.Bar, c.widest(false)) }

func (c Column) widest(short bool) int {
	n := 0
	for _, cell := range c.Cells {
		n = max(n, Width(cell.text(short)))
	}
	return n
}

func (c Cell) text(short bool) string {
	if short && c.Short != "" {
		return c.Short
	}
	return c.Text
}

// Lines returns the lines of a table. No line is wider than width, in terminal columns. All columns have the same number of cells.
func Lines(columns []Column, width int, colours Colours) []string {
	widths := widthsOf(columns, width)
	lines := make([]string, len(columns[0].Cells))
	for row := range lines {
		var line strings.Builder
		space := 0
		for i, c := range columns {
			if widths[i] == 0 {
				continue
			}
			text, used := c.format(row, widths[i], colours)
			before, after := 0, widths[i]-used
			if c.Right {
				before, after = after, 0
			}
			if text != "" {
				line.WriteString(strings.Repeat(" ", space+before) + text)
				space = 0
			} else {
				after = widths[i]
			}
			space += after + gap
		}
		lines[row] = line.String()
	}
	return lines
}

// step is the place of a column in the order of importance, or the place of its full width.
type step struct {
	rank, column int
	wide         bool
}

// steps returns all steps, the most important first.
func steps(columns []Column) []step {
	var all []step
	for i, c := range columns {
		all = append(all, step{c.Rank, i, false}, step{cmp.Or(c.WideRank, math.MaxInt), i, true})
	}
	slices.SortStableFunc(all, func(a, b step) int { return cmp.Compare(a.rank, b.rank) })
	return all
}

// widthsOf distributes the width over the columns; 0 leaves a column out.
func widthsOf(columns []Column, width int) []int {
	widths := make([]int, len(columns))
	left := width + gap
	for n, s := range steps(columns) {
		c := columns[s.column]
		more := c.narrow() + gap
		switch {
		case n == 0:
			more = min(more, left) // a window with room for nothing else
		case s.wide && widths[s.column] == 0:
			continue
		case s.wide && c.CutTo > 0:
			more = min(c.wide()-widths[s.column], left)
		case s.wide:
			more = c.wide() - widths[s.column]
		}
		if more > left || more <= 0 {
			continue
		}
		if left -= more; !s.wide {
			more -= gap
		}
		widths[s.column] += more
	}
	return widths
}

// format returns a cell of a column and the number of its terminal columns.
func (c Column) format(row, width int, colours Colours) (text string, used int) {
	cell := c.Cells[row]
	if c.Bar > 0 && cell.Text == "" {
		filled, empty := barOf(width, cell.Part)
		return colours.paint(filled, Green) + colours.paint(empty, Faint), width
	}
	text = cell.Text
	if c.CutTo == 0 && Width(text) > width {
		text = cell.text(true)
	}
	text = Cut(text, width)
	return colours.paint(text, cell.Colour), Width(text)
}
