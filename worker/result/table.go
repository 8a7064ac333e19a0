package result

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"fluxworker/worker/prompt"
	"fluxworker/worker/safeopen"
)

// Table says which columns a table has beside the answers. The zero Table has the columns id, answer and error.
type Table struct {
	// Own are columns of the input. Document.Input returns their texts, as a JSON list.
	Own []string
	// NamesOwn means that a column of Own holds the custom_ids, so that the table needs no other column for them.
	NamesOwn bool
	// Fields are members of answers that are JSON objects, with a column each.
	Fields []string
}

func (t Table) narrow() bool { return len(t.Own)+len(t.Fields) == 0 }

// lastColumns are the last columns of a table that is not narrow. A file whose first line ends with them is a table of ours.
var lastColumns = []string{"finish_reason", "prompt_tokens", "completion_tokens", "error"}

// header returns the names of the columns. A column of ours whose name a column of the input has gets a number.
func (t Table) header() []string {
	if t.narrow() {
		return []string{"id", "answer", "error"}
	}
	var names []string
	if !t.NamesOwn {
		names = append(names, unused("custom_id", t.Own))
	}
	names = append(names, t.Own...)
	for _, name := range slices.Concat([]string{"answer"}, t.Fields, lastColumns) {
		names = append(names, unused(name, names))
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

// layout returns the layout of a table with this separator.
func (t Table) layout(comma rune) documentLayout {
	var start bytes.Buffer
	w := newTableWriter(&start, comma)
	w.Write(t.header())
	w.Flush()
	if t.narrow() {
		return documentLayout{start: start.String(), row: func(b *bytes.Buffer, r documentRow) error { return appendNarrow(b, r, comma) }}
	}
	return documentLayout{start: start.String(), inputs: len(t.Own) > 0, row: func(b *bytes.Buffer, r documentRow) error { return t.appendRow(b, r, comma) }}
}

func newTableWriter(b *bytes.Buffer, comma rune) *csv.Writer {
	w := csv.NewWriter(b)
	w.Comma = comma
	return w
}

// appendRow writes a row as one line of the table, or as one line for each answer.
func (t Table) appendRow(b *bytes.Buffer, r documentRow, comma rune) error {
	var cells []string
	if !t.NamesOwn {
		cells = append(cells, r.customID)
	}
	if len(t.Own) > 0 {
		var own []string
		if err := json.Unmarshal(r.input, &own); err != nil {
			return fmt.Errorf("its columns: %w", err)
		}
		cells = append(cells, own...)
	}
	w := newTableWriter(b, comma)
	if !r.answered {
		w.Write(append(append(cells, make([]string, 1+len(t.Fields)+len(lastColumns)-1)...), r.failure))
		w.Flush()
		return w.Error()
	}
	answers, err := AnswerTexts(r.body)
	if err != nil {
		return err
	}
	var body struct {
		Choices []struct {
			FinishReason string `json:"finish_reason"`
		} `json:"choices"`
		Status string `json:"status"` // of a response, which has no choices
		Usage  struct {
			Prompt     *int64 `json:"prompt_tokens"`
			Completion *int64 `json:"completion_tokens"`
			Input      *int64 `json:"input_tokens"`
			Output     *int64 `json:"output_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(r.body, &body); err != nil {
		return err
	}
	for i, answer := range answers {
		line := append(slices.Clone(cells), answer)
		line = append(line, membersOf(answer, t.Fields)...)
		finish := map[string]string{"completed": "stop", "incomplete": "length"}[body.Status]
		if i < len(body.Choices) {
			finish = body.Choices[i].FinishReason
		}
		line = append(line, finish)
		for _, tokens := range []*int64{cmp.Or(body.Usage.Prompt, body.Usage.Input), cmp.Or(body.Usage.Completion, body.Usage.Output)} {
			text := ""
			if tokens != nil && i == 0 { // the tokens of the row, so that their sum over the lines is right
				text = strconv.FormatInt(*tokens, 10)
			}
			line = append(line, text)
		}
		w.Write(append(line, "")) // to memory, so it cannot fail
	}
	w.Flush()
	return w.Error()
}

// membersOf returns the texts of members of an answer; they are empty where the answer is no JSON object.
func membersOf(answer string, names []string) []string {
	texts := make([]string, len(names))
	object := bytes.TrimSpace([]byte(answer))
	if len(names) == 0 || !isObject(object) || !json.Valid(object) {
		return texts
	}
	prompt.EachMember(object, func(quoted, value []byte) {
		var name string
		if json.Unmarshal(quoted, &name) != nil {
			return
		}
		if i := slices.Index(names, name); i >= 0 {
			texts[i] = prompt.TextOf(value)
		}
	})
	return texts
}

// isTable returns an error if the file at path exists and is no table of ours.
func isTable(path string) error {
	f, err := safeopen.Named(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("replace %s: %w", path, cause(err))
	}
	defer f.Close()
	first, err := bufio.NewReaderSize(f, 1<<20).ReadSlice('\n')
	if len(first) == 0 && errors.Is(err, io.EOF) {
		return nil
	}
	for _, comma := range []string{",", "\t"} {
		if bytes.HasSuffix(first, []byte(comma+strings.Join(lastColumns, comma)+"\n")) || string(first) == strings.Join(Table{}.header(), comma)+"\n" {
			return nil
		}
	}
	return fmt.Errorf("%s exists and does not hold results", path)
}
