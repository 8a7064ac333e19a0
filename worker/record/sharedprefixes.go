package record

import "fmt"

// SharedPrefixes counts the groups of rows with the same beginning of their prompts, by which rows were put into another
// order: the rows of a group were asked one after the other. What most rows have in common, such as a system message, makes no
// group. A row that is deferred for a longer context counts again when it is asked again. The zero value has no group.
type SharedPrefixes struct {
	Groups  int64 `json:"groups"`
	Rows    int64 `json:"rows"`    // of all groups
	Largest int64 `json:"largest"` // rows of the largest group
}

// Add adds a group of so many rows. A single row is no group.
func (s *SharedPrefixes) Add(rows int64) {
	if rows < 2 {
		return
	}
	s.Groups++
	s.Rows += rows
	s.Largest = max(s.Largest, rows)
}

// Merge adds the groups of another part of the rows.
func (s *SharedPrefixes) Merge(other SharedPrefixes) {
	s.Groups += other.Groups
	s.Rows += other.Rows
	s.Largest = max(s.Largest, other.Largest)
}

// String returns the groups for people.
func (s SharedPrefixes) String() string {
	return fmt.Sprintf("%d rows in %d groups with the same beginning of the prompt, the largest of %d rows", s.Rows, s.Groups, s.Largest)
}
