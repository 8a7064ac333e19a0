package prompt

// Restorer completes rows that were written as JSON and read back: the JSON lacks the compiled schemas. It is not safe
// for concurrent use. The zero value is ready to use.
type Restorer struct{ schemas schemas }

// Restore completes a row. An error means that the row was changed after it was written.
func (s *Restorer) Restore(row *Row) error {
	if to := row.Request.Structure; to != nil && to.Schema != nil {
		var p *rowError
		if _, to.compiled, p = s.schemas.compile(to.Schema); p != nil {
			return p.reject()
		}
	}
	for i := range row.Request.Tools {
		to := &row.Request.Tools[i]
		if to.Parameters == nil {
			continue
		}
		var p *rowError
		if _, to.compiled, p = s.schemas.compile(to.Parameters); p != nil {
			return p.reject()
		}
	}
	return nil
}
