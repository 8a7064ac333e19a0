package prompt

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	fast "fluxworker/worker/json"
)

// objects reads rows whose JSON objects have columns of the user's own, such as those of a dataset. The Layout says which columns
// make the prompt and the name.
type objects struct {
	*lines
	layout   Layout
	template *promptTemplate // makes the prompts if it is not nil
	answers  int64           // rows whose conversation ends with an answer
}

// newObjects returns the form for a Layout. The error is a *LayoutError.
func newObjects(l *lines, layout Layout, namesOnly bool) (*objects, error) {
	f := &objects{lines: l, layout: layout}
	if layout.PromptTemplate == "" || namesOnly {
		return f, nil
	}
	var err error
	if f.template, err = parsePrompt(layout.PromptTemplate); err != nil {
		return nil, err
	}
	if f.template.isEmpty() {
		return nil, layoutErrorf("%s is empty", templateName)
	}
	return f, f.template.checkUse(layout.PromptTemplate, "text")
}

// checkStart returns a *LayoutError if no row at the start of the input has a column that the Layout names, or any of the columns of
// its template: the name is misspelt then, and every row would become an error line. start may end in the middle of a row.
func (f *objects) checkStart(start []byte) error {
	o := f.options
	o.Layout, o.NamesOnly = Layout{}, true
	rows := newReader(newLines(bytes.NewReader(start), o, newHasher(), f.decoder), o, newHasher())
	var found []string
	for range startRows {
		if _, err := rows.Next(); err != nil {
			break
		}
		rows.Members(func(name string, _ []byte) {
			if !slices.Contains(found, name) {
				found = append(found, name)
			}
		})
	}
	if len(found) == 0 {
		return nil // there is nothing to compare with
	}
	return f.checkColumns(found, "in the first rows; their columns are "+columns(found).String())
}

// checkColumns returns a *LayoutError if the Layout, or all of its template, names columns that are not among the found. where ends
// the message.
func (f *objects) checkColumns(found []string, where string) error {
	for _, named := range []struct{ flag, column string }{
		{"--id-column", f.layout.IDColumn}, {"--prompt-column", f.layout.PromptColumn}, {"--messages-column", f.layout.MessagesColumn},
	} {
		if named.column != "" && !slices.Contains(found, named.column) {
			return layoutErrorf("%s: %s: there is no column %s %s", f.options.Name, named.flag, quote(named.column), where)
		}
	}
	if t := f.template; t != nil && len(t.paths) > 0 && !slices.ContainsFunc(t.paths, func(path []string) bool { return slices.Contains(found, path[0]) }) {
		return layoutErrorf("%s: %s: there is no column %s %s", f.options.Name, templateName, quote(t.paths[0][0]), where)
	}
	return nil
}

// startRows is the number of rows in which a column must be found.
const startRows = 100

// ownColumns reports whether the Layout names columns of JSON objects.
func (l Layout) ownColumns() bool { return l != Layout{} }

func (f *objects) name(l *line) (id string) {
	columns, p := f.columns(l)
	if p == nil {
		id, _ = columns.id(f.layout)
	}
	return id
}

// columns returns the row's columns by name, with the value as it is in the row.
func (f *objects) columns(l *line) (ownColumns, *rowError) {
	if p := checkUTF8(l.text, CodeInvalidJSON); p != nil {
		return ownColumns{}, p
	}
	text := l.text
	if !fast.Valid(text) {
		fixed, ok := withoutNaN(text, "")
		if !ok {
			return ownColumns{}, syntaxError(text)
		}
		text = fixed
	}
	text = bytes.Trim(text, blanks)
	if text[0] != '{' {
		return ownColumns{}, rowErrorf(CodeInvalidJSON, "", "the row is %s; it must be an object with the columns%s", describe(text, false), listHint(text))
	}
	c := ownColumns{text: text, values: make(map[string][]byte)}
	EachMember(text, func(quoted, value []byte) {
		name := unquote(quoted)
		c.names = append(c.names, name)
		c.values[name] = value
	})
	return c, nil
}

func (f *objects) request(l *line) (r Request, id string, p *rowError) {
	columns, p := f.columns(l)
	if p != nil {
		return r, "", p
	}
	if id, p = columns.id(f.layout); p != nil {
		return r, id, p
	}
	if name := f.messagesColumn(columns); name != "" {
		value, p := columns.value("--messages-column", name)
		if p != nil {
			return r, id, p
		}
		answered := false
		if r, answered, p = f.decoder.chatRow(value); p != nil {
			return r, id, p.under(name)
		}
		if answered {
			f.answers++
		}
		return r, id, nil
	}
	text, p := f.text(columns)
	if p != nil {
		return r, id, p
	}
	r, p = f.decoder.promptRow(text, nil)
	return r, id, p
}

// messagesColumn returns the column with the conversation; empty if the prompt is made otherwise. Where only the names are given by
// a flag, both kinds of datasets are read.
func (f *objects) messagesColumn(c ownColumns) string {
	if f.layout.MessagesColumn != "" || f.template != nil || f.layout.PromptColumn != "" {
		return f.layout.MessagesColumn
	}
	if _, has := c.values[defaultPromptColumn]; !has {
		if _, has := c.values[defaultMessagesColumn]; has {
			return defaultMessagesColumn
		}
	}
	return ""
}

// text returns the prompt of a row.
func (f *objects) text(c ownColumns) (string, *rowError) {
	if f.template != nil {
		values, err := valuesOf(c.text)
		if err != nil {
			return "", rowErrorf(CodeInvalidJSON, "", "%s", err)
		}
		f.template.fill(values)
		text, err := f.template.prompt()
		if err != nil {
			return "", templateError(err)
		}
		return text, nil
	}
	name := f.layout.PromptColumn
	if name == "" {
		name = defaultPromptColumn
	}
	return c.plain("--prompt-column", name, "for a conversation use --messages-column, for another text --prompt-template")
}

// ownColumns are the columns of a row.
type ownColumns struct {
	text   []byte
	names  []string
	values map[string][]byte
}

// value returns the value of the column that a flag names. A column that is missing or null is the row's error.
func (c ownColumns) value(flag, name string) ([]byte, *rowError) {
	value, has := c.values[name]
	if !has {
		return nil, rowErrorf(CodeMissing, name, "is missing: %s names this column; the row has %s", flag, columns(c.names))
	}
	if value[0] == 'n' {
		return nil, rowErrorf(CodeMissing, name, "is null, and %s names this column", flag)
	}
	return value, nil
}

// plain returns the text of the column that a flag names: a string, or a number, true or false as it is in the data. advice is for a
// list and an object.
func (c ownColumns) plain(flag, name, advice string) (string, *rowError) {
	value, p := c.value(flag, name)
	switch {
	case p != nil:
		return "", p
	case value[0] == '[' || value[0] == '{':
		return "", rowErrorf(CodeInvalidType, name, "is %s; %s", describe(value, false), advice)
	}
	return TextOf(value), nil
}

// id returns the custom_id; empty if the row has none.
func (c ownColumns) id(layout Layout) (string, *rowError) {
	name := layout.IDColumn
	if name == "" {
		value := c.values[defaultIDColumn]
		if len(value) == 0 || value[0] == 'n' {
			return "", nil
		}
		if value[0] != '"' {
			return "", rowErrorf(CodeInvalidType, defaultIDColumn, "is %s; it must be a string, or --id-column %s names it", describe(value, true), defaultIDColumn)
		}
		return unquote(value), nil
	}
	return c.plain("--id-column", name, "a custom_id is a text or a number")
}

func (f *objects) remarks() []string {
	list := f.lines.remarks()
	if f.answers > 0 {
		list = append(list, fmt.Sprintf("conversations whose last turns, those of the assistant, are left out: %d", f.answers))
	}
	return list
}

func (f *objects) input(l *line, id string) []byte {
	text := f.lines.input(l, id)
	if text == nil {
		return nil
	}
	return inputObject(struct {
		CustomID string     `json:"custom_id"`
		Metadata rawMessage `json:"metadata"`
	}{id, rawMessage(text)})
}

// rawMessage is JSON that is written as it is.
type rawMessage []byte

func (m rawMessage) MarshalJSON() ([]byte, error) { return m, nil }

// speakers are the names of roles in the conversations of datasets in the form of ShareGPT.
var speakers = map[string]string{
	"system": roleSystem, "human": roleUser, "user": roleUser, "gpt": roleAssistant, "assistant": roleAssistant, "chatgpt": roleAssistant,
	"bing": roleAssistant, "bard": roleAssistant, "model": roleAssistant,
}

// chatRow returns the request for a conversation: a list of messages with role and content, or with from and value. The turns of
// the assistant at its end are the answers of a dataset, so they are left out, and
// answered is true: the model gives an answer of its own.
func (d *decoder) chatRow(value []byte) (r Request, answered bool, p *rowError) {
	if value[0] == '[' {
		w := walk(value)
		if first, ok := w.element(); ok && first[0] == '{' && holds(first, "from") && holds(first, "value") {
			if value, p = fromSpeakers(value); p != nil {
				return r, false, p
			}
		}
	}
	messages, p := d.messages(value)
	if p != nil {
		return r, false, p
	}
	for len(messages) > 0 && messages[len(messages)-1].Role == roleAssistant {
		messages, answered = messages[:len(messages)-1], true
	}
	if len(messages) == 0 {
		return r, false, rowErrorf(CodeInvalidValue, "", "has only turns of the assistant; a conversation needs a question")
	}
	r = Request{Endpoint: Chat, Model: d.defaults.Model, Messages: messages, Sampling: d.sampling()}
	d.complete(&r, false)
	return r, answered, nil
}

// fromSpeakers returns a conversation of ShareGPT's form as a list of messages.
func fromSpeakers(value []byte) ([]byte, *rowError) {
	var list strings.Builder
	w := walk(value)
	for i := 0; ; i++ {
		turn, ok := w.element()
		if !ok {
			break
		}
		n, p := readNested(turn, "from", "value")
		if p != nil {
			return nil, p.under(index(i))
		}
		from, p := n.text("from")
		if p != nil {
			return nil, p.under(index(i))
		}
		role := speakers[strings.ToLower(from)]
		if role == "" {
			return nil, rowErrorf(CodeInvalidValue, "from", "is %s; it must be system, human or gpt", quote(from)).under(index(i))
		}
		content := n["value"]
		if content == nil {
			content = []byte(`""`)
		}
		if i > 0 {
			list.WriteByte(',')
		}
		fmt.Fprintf(&list, `{"role":%q,"content":%s}`, role, content)
	}
	return []byte("[" + list.String() + "]"), nil
}
