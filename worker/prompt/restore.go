package prompt

// Restorer completes rows that were written as JSON and read back: the JSON lacks the compiled schemas. It is not safe
// for concurrent use. The zero value is ready to use.
type Restorer struct{ schemas schemas }

// Restore completes a row. An error means that the row was changed after it was written.
func (s *Restorer) Restore(row *Row) error {
	var p *rowError
	if to := row.Request.Structure; to != nil && to.Schema != nil {
		if to.compiled, p = s.schemas.format(to.Schema); p != nil {
			return p.reject()
		}
	}
	for i := range row.Request.Tools {
		to := &row.Request.Tools[i]
		if to.Parameters == nil {
			continue
		}
		if to.compiled, p = s.schemas.parameters(to); p != nil {
			return p.reject()
		}
	}
	return nil
}
