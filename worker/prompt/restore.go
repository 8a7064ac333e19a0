package prompt

// Restorer makes rows whole again that were written as JSON and read back: what an answer is checked by is not in it. It is for
// one goroutine. The zero value is ready.
type Restorer struct{ schemas schemas }

// Restore makes a row whole. An error means that the row is not as it was written.
func (s *Restorer) Restore(row *Row) error {
	if to := row.Request.Structure; to != nil && to.Schema != nil {
		var p *problem
		if _, to.compiled, p = s.schemas.compile(to.Schema); p != nil {
			return p.reject()
		}
	}
	for i := range row.Request.Tools {
		to := &row.Request.Tools[i]
		if to.Parameters == nil {
			continue
		}
		var p *problem
		if _, to.compiled, p = s.schemas.compile(to.Parameters); p != nil {
			return p.reject()
		}
	}
	return nil
}
