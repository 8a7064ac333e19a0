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

// lastColumns are the last columns of a table that is not narrow. A file whose first line ends with them is a table of ours.
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
	answers, err := textsOf(r.body)
	if err != nil {
		return nil, err
	}
	meta, err := metaOf(r.body)
	if err != nil {
		return nil, err
	}
	rows := make([][]json.RawMessage, len(answers))
	for i, answer := range answers {
		rows[i] = slices.Concat(start, []json.RawMessage{quoted(answer)}, membersOf(answer, t.Fields), meta.values(i), []json.RawMessage{nil})
	}
	return rows, nil
}

func (t Table) narrowRows(r documentRow) ([][]json.RawMessage, error) {
	if !r.answered {
		return [][]json.RawMessage{{quoted(r.customID), nil, quoted(r.failure)}}, nil
	}
	answers, err := textsOf(r.body)
	rows := make([][]json.RawMessage, len(answers))
	for i, answer := range answers {
		rows[i] = []json.RawMessage{quoted(r.customID), quoted(answer), nil}
	}
	return rows, err
}

// meta is the part of a body about its answers.
type meta struct {
	Choices []struct {
		FinishReason *string `json:"finish_reason"`
	} `json:"choices"`
	Status string `json:"status"` // of a response, which has no choices
	Usage  struct {
		Prompt     *int64 `json:"prompt_tokens"`
		Completion *int64 `json:"completion_tokens"`
		Input      *int64 `json:"input_tokens"`
		Output     *int64 `json:"output_tokens"`
	} `json:"usage"`
}

func metaOf(body json.RawMessage) (m meta, err error) {
	return m, json.Unmarshal(body, &m)
}

// values returns the finish reason of an answer, and the tokens: those of the whole row stand beside its first answer, so that their
// sum over the lines is right.
func (m meta) values(answer int) []json.RawMessage {
	finish := m.reason(answer)
	values := []json.RawMessage{nil, nil, nil}
	if finish != "" {
		values[0] = quoted(finish)
	}
	for i, tokens := range []*int64{cmp.Or(m.Usage.Prompt, m.Usage.Input), cmp.Or(m.Usage.Completion, m.Usage.Output)} {
		if tokens != nil && answer == 0 {
			values[1+i] = strconv.AppendInt(nil, *tokens, 10)
		}
	}
	return values
}

func (m meta) reason(answer int) string {
	switch {
	case answer < len(m.Choices) && m.Choices[answer].FinishReason != nil:
		return *m.Choices[answer].FinishReason
	case m.Status == "completed":
		return "stop"
	case m.Status == "incomplete":
		return "length"
	}
	return ""
}

// membersOf returns members of an answer; nil where the answer is no JSON object, or has no such member.
func membersOf(answer string, fields []parquet.Column) []json.RawMessage {
	values := make([]json.RawMessage, len(fields))
	object := bytes.TrimSpace([]byte(answer))
	if len(fields) == 0 || !isObject(object) || !json.Valid(object) {
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
