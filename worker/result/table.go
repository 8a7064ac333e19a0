package result

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"fluxworker/worker/parquet"
	"fluxworker/worker/prompt"
)

// Table says which columns a table has beside the answers. The zero Table has the columns id, answer and error.
type Table struct {
	// Own are columns of the input. Document.Input returns their values, as a JSON list.
	Own []parquet.Column
	// NamesOwn means that a column of Own holds the custom_ids, so that the table needs no other column for them.
	NamesOwn bool
	// Fields are members of answers that are JSON objects, with a column each.
	Fields []parquet.Column
	// Source is the table of Parquet that Own comes from; nil for another input. A Parquet document copies the columns from there.
	Source *parquet.Table
}

func (t Table) narrow() bool { return len(t.Own)+len(t.Fields) == 0 }

// lastColumns are the last columns of a table that is not narrow. A file whose columns end with them is a table of ours.
var lastColumns = []parquet.Column{
	{Name: "finish_reason", Type: parquet.Text}, {Name: "prompt_tokens", Type: parquet.Integer},
	{Name: "completion_tokens", Type: parquet.Integer}, {Name: "error", Type: parquet.Text},
}

// narrowColumns are the columns of a table without columns of the input and of fields.
var narrowColumns = []parquet.Column{{Name: "id", Type: parquet.Text}, {Name: "answer", Type: parquet.Text}, {Name: "error", Type: parquet.Text}}

// columns returns the columns before those of the input, those of the input, and those behind. A column of ours whose name a column
// of the input has gets a number.
func (t Table) columns() (before, own, behind []parquet.Column) {
	if t.narrow() {
		return narrowColumns, nil, nil
	}
	names := namesOf(t.Own)
	if !t.NamesOwn {
		before = []parquet.Column{{Name: unused("custom_id", names), Type: parquet.Text}}
		names = append(names, before[0].Name)
	}
	for _, c := range slices.Concat([]parquet.Column{{Name: "answer", Type: parquet.Text}}, t.Fields, lastColumns) {
		c.Name = unused(c.Name, names)
		names, behind = append(names, c.Name), append(behind, c)
	}
	return before, t.Own, behind
}

// header returns the names of all columns.
func (t Table) header() []string { return namesOf(slices.Concat(t.columns())) }

func namesOf(columns []parquet.Column) (names []string) {
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return names
}

// unused returns the name, with a number behind it where it is in use.
func unused(name string, names []string) string {
	for n, free := 2, name; ; n++ {
		if !slices.Contains(names, free) {
			return free
		}
		free = fmt.Sprintf("%s_%d", name, n)
	}
}

// rows returns the lines of the table for a row, one for each answer: the values of all columns as JSON; nil is null.
func (t Table) rows(r documentRow) ([][]json.RawMessage, error) {
	if t.narrow() {
		return t.narrowRows(r)
	}
	var start []json.RawMessage
	if !t.NamesOwn {
		start = append(start, quoted(r.customID))
	}
	if r.input != nil {
		var own []json.RawMessage
		if err := json.Unmarshal(r.input, &own); err != nil {
			return nil, fmt.Errorf("its columns: %w", err)
		}
		start = append(start, own...)
	}
	if !r.answered {
		empty := make([]json.RawMessage, 1+len(t.Fields)+len(lastColumns)-1)
		return [][]json.RawMessage{slices.Concat(start, empty, []json.RawMessage{quoted(r.failure)})}, nil
	}
	found, err := answersOf(r.body)
	if err != nil {
		return nil, err
	}
	in, out, err := tokensOf(found.usage)
	if err != nil {
		return nil, err
	}
	rows := make([][]json.RawMessage, len(found.list))
	for i, a := range found.list {
		if i > 0 { // the tokens of the row stand beside its first answer, so that their sum over the lines is right
			in, out = nil, nil
		}
		rows[i] = slices.Concat(start, []json.RawMessage{a.text}, membersOf(a.text, t.Fields), []json.RawMessage{a.finish, in, out, nil})
	}
	return rows, nil
}

func (t Table) narrowRows(r documentRow) ([][]json.RawMessage, error) {
	if !r.answered {
		return [][]json.RawMessage{{quoted(r.customID), nil, quoted(r.failure)}}, nil
	}
	found, err := answersOf(r.body)
	rows := make([][]json.RawMessage, len(found.list))
	for i, a := range found.list {
		rows[i] = []json.RawMessage{quoted(r.customID), a.text, nil}
	}
	return rows, err
}

// tokensOf returns the tokens of a prompt and of its answers in a usage, of a completion or of a response; nil where it has none.
func tokensOf(usage json.RawMessage) (in, out json.RawMessage, err error) {
	var u struct {
		Prompt     *int64 `json:"prompt_tokens"`
		Completion *int64 `json:"completion_tokens"`
		Input      *int64 `json:"input_tokens"`
		Output     *int64 `json:"output_tokens"`
	}
	if usage != nil {
		err = json.Unmarshal(usage, &u)
	}
	text := func(tokens *int64) json.RawMessage {
		if tokens == nil {
			return nil
		}
		return strconv.AppendInt(nil, *tokens, 10)
	}
	return text(cmp.Or(u.Prompt, u.Input)), text(cmp.Or(u.Completion, u.Output)), err
}

// membersOf returns members of an answer, which is a JSON string; nil where its text is no JSON object, or has no such member.
func membersOf(answer json.RawMessage, fields []parquet.Column) []json.RawMessage {
	values := make([]json.RawMessage, len(fields))
	if len(fields) == 0 {
		return values
	}
	object := bytes.TrimSpace([]byte(prompt.TextOf(answer)))
	if !isObject(object) || !json.Valid(object) {
		return values
	}
	prompt.EachMember(object, func(quoted, value []byte) {
		var name string
		if json.Unmarshal(quoted, &name) != nil {
			return
		}
		if i := slices.IndexFunc(fields, func(c parquet.Column) bool { return c.Name == name }); i >= 0 {
			values[i] = value
		}
	})
	return values
}
