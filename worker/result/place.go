package result

import (
	"bytes"
	"strings"

	"fluxworker/worker/json"
	"fluxworker/worker/prompt"
)

// place is the position of a row in the input, as a line of the output states it. A row without custom_id is called after its
// line of the input, and error lines of rows that were never sent hold the line, too. An edit of the input makes both wrong.
//
// A place is minus the number in an implied custom_id ("row-3" is -3); or, for a row with another custom_id, error.line, a line
// of the input from 1; or 0 for a line without both. The error line of a row whose name another row has counts as the latter: it
// does not own its name.
type place int64

// statedPlace returns the place that a valid line states.
func statedPlace(line []byte) place {
	f := errorOf(line)
	if f != nil && f.Code == prompt.CodeDuplicateCustomID {
		return place(f.Line)
	}
	if rest, ok := afterID(line); !ok || bytes.HasPrefix(rest, []byte(prompt.ImpliedPrefix)) {
		if n := prompt.ImpliedLine(customIDOf(line)); n > 0 {
			return place(-n)
		}
	}
	if f != nil {
		return place(f.Line)
	}
	return 0
}

// placeOf returns the place that the line of a row should state. stated is the place that it states.
func placeOf(row prompt.Row, stated place) place {
	if stated > 0 {
		return place(row.Line)
	}
	return place(-prompt.ImpliedLine(row.CustomID))
}

// afterID returns the text after the quote that opens the custom_id in a line as this package writes it.
func afterID(line []byte) (rest []byte, ok bool) {
	if len(line) <= idEnd {
		return nil, false
	}
	return bytes.CutPrefix(line[idEnd:], []byte(`","custom_id":"`))
}

// customIDOf returns the custom_id of a valid line; "" for a custom_id that is not a string.
func customIDOf(line []byte) string {
	if rest, ok := afterID(line); ok {
		if id, _, _ := bytes.Cut(rest, []byte(`"`)); bytes.IndexByte(id, '\\') < 0 {
			return string(id)
		}
	}
	var l struct {
		CustomID string `json:"custom_id"`
	}
	if json.Unmarshal(line, &l) != nil {
		return ""
	}
	return l.CustomID
}

// hasCustomID reports whether a valid line has this custom_id.
func hasCustomID(line []byte, customID string) bool {
	if rest, ok := afterID(line); ok && len(rest) > len(customID) && rest[len(customID)] == '"' &&
		string(rest[:len(customID)]) == customID && strings.IndexByte(customID, '\\') < 0 {
		return true
	}
	return customIDOf(line) == customID
}

// errorOf returns the error of a valid line if it holds a line of the input, or nil. It decodes only lines that end with a
// number, as such lines do.
func errorOf(line []byte) *Failure {
	end := bytes.TrimRight(line, "\r\n\t }")
	if len(end) == 0 || end[len(end)-1] < '0' || end[len(end)-1] > '9' || !bytes.Contains(line, []byte(`"line"`)) {
		return nil
	}
	var l struct {
		Error *Failure `json:"error"`
	}
	if json.Unmarshal(line, &l) != nil || l.Error == nil || l.Error.Line < 1 {
		return nil
	}
	return l.Error
}

// restate returns a valid line with this custom_id ("" keeps it) and, if it has an error.line, with this number there (0 keeps
// it). It returns the same slice if the line states both already. All other members keep their bytes.
func restate(line []byte, customID string, number int64) ([]byte, error) {
	renamed := customID != "" && !hasCustomID(line, customID)
	f := errorOf(line)
	renumbered := number != 0 && f != nil && f.Line != number
	if !renamed && !renumbered {
		return line, nil
	}
	out := make([]byte, 0, len(line)+len(customID))
	var err error
	prompt.EachMember(bytes.TrimSpace(line), func(name, value []byte) {
		out = append(append(append(out, ','), name...), ':')
		var e error
		switch {
		case string(name) == `"custom_id"` && renamed:
			out, e = json.Append(out, customID)
		case string(name) == `"error"` && renumbered:
			f.Line = number
			out, e = json.Append(out, f)
		default:
			out = append(out, value...)
		}
		if err == nil {
			err = e
		}
	})
	out[0] = '{'
	return append(out, "}\n"...), err
}

// Moves holds the rows whose line states another place than the input has now, in 16 bytes per row.
type Moves struct {
	done   *Done
	places keys
	n      int64
	sealed bool
}

// NewMoves returns an empty set.
func (d *Done) NewMoves() *Moves { return &Moves{done: d} }

// Add adds the row if its line states another place. Do not call it after Edit.
func (m *Moves) Add(row prompt.Row) {
	name := entryOf(row.Key).name
	stated := m.done.stated(name)
	if now := placeOf(row, stated); now != stated && now != 0 {
		m.places.add(entry{name: name, request: uint64(now)})
		m.n++
	}
}

// Len returns the number of rows.
func (m *Moves) Len() int64 { return m.n }

// Edit returns the change that gives the line of the row with this key the place of the row; the zero Edit for a row that is
// not in the set.
func (m *Moves) Edit(k prompt.Key) Edit {
	if !m.sealed {
		m.places.seal()
		m.sealed = true
	}
	at, ok := m.places.find(entryOf(k).name)
	if !ok {
		return Edit{}
	}
	if p := place(m.places.at(at).request); p < 0 {
		return Edit{CustomID: prompt.ImpliedName(int64(-p)), Line: int64(-p)}
	} else {
		return Edit{Line: int64(p)}
	}
}
