package prompt

import (
	"fmt"
	"strings"
	"testing"
)

const papers = `{"id":7,"title":"One","year":1.50,"tags":["a","b"],"meta":{"author":"X & Y","pages":12},"draft":true}
{"id":"p-8","title":"Two","year":2e3,"tags":[],"meta":{"author":null},"abstract":"Long <b>"}
`

func describeRows(rows []Row) string {
	var b strings.Builder
	for _, row := range rows {
		if row.Reject != nil {
			fmt.Fprintf(&b, "%s! %s: %s\n", row.CustomID, row.Reject.Code, row.Reject.Message)
			continue
		}
		fmt.Fprintf(&b, "%s", row.CustomID)
		for _, m := range row.Request.Messages {
			fmt.Fprintf(&b, " %s=%s", m.Role, m.Content)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Columns of JSON objects make prompts as they are in the data.
func TestOwnColumns(t *testing.T) {
	for _, tt := range []struct {
		layout Layout
		want   string
	}{
		{Layout{PromptColumn: "title"}, "row-1 user=One\nrow-2 user=Two\n"},
		{Layout{PromptColumn: "year", IDColumn: "id"}, "7 user=1.50\np-8 user=2e3\n"},
		{Layout{PromptColumn: "draft"}, "row-1 user=true\nrow-2! missing_required_parameter: draft is missing: --prompt-column names this column; the row has \"id\", \"title\", \"year\", \"tags\", \"meta\", \"abstract\"\n"},
		{Layout{PromptColumn: "tags"}, "row-1! invalid_type: tags is a list; for a conversation use --messages-column, for another text --prompt-template\n" +
			"row-2! invalid_type: tags is a list; for a conversation use --messages-column, for another text --prompt-template\n"},
		{Layout{PromptTemplate: "{{.title}} ({{.year}}) {{.tags}} {{.meta.pages | default \"?\"}}", IDColumn: "title"},
			"One user=One (1.50) [\"a\",\"b\"] 12\nTwo user=Two (2e3) [] ?\n"},
		{Layout{PromptTemplate: "{{.meta}}"}, "row-1 user={\"author\":\"X & Y\",\"pages\":12}\nrow-2 user={\"author\":null}\n"},
		{Layout{PromptTemplate: `{{join ", " .tags}}; {{json .title}}; {{truncate 3 .title}}; {{trim " x "}}; {{with .abstract}}{{.}}{{else}}none{{end}}`},
			"row-1 user=a, b; \"One\"; One; x; none\nrow-2 user=; \"Two\"; Two; x; Long <b>\n"},
		{Layout{PromptTemplate: `{{index . "title"}} {{index .meta "author"}} {{index .tags 0}}`},
			"row-1 user=One X & Y a\nrow-2! invalid_value: cannot fill in the --prompt-template: the row has no value for a part of a column; {{default \"…\" .name}} or {{if .name}} … {{end}} makes do without\n"},
		{Layout{PromptTemplate: "{{.abstract}}"},
			"row-1! invalid_value: cannot fill in the --prompt-template: the row has no value for .abstract; {{default \"…\" .name}} or {{if .name}} … {{end}} makes do without\nrow-2 user=Long <b>\n"},
		{Layout{PromptTemplate: "{{.meta.author}}"},
			"row-1 user=X & Y\nrow-2! invalid_value: cannot fill in the --prompt-template: the row has no value for .meta.author; {{default \"…\" .name}} or {{if .name}} … {{end}} makes do without\n"},
		{Layout{PromptTemplate: "{{range .tags}}<{{.}}>{{end}}{{$.title}}"}, "row-1 user=<a><b>One\nrow-2 user=Two\n"},
		{Layout{PromptTemplate: "{{json .}}"}, `row-1 user={"draft":true,"id":7,"meta":{"author":"X & Y","pages":12},"tags":["a","b"],"title":"One","year":1.50}` + "\n" +
			`row-2 user={"abstract":"Long <b>","id":"p-8","meta":{"author":null},"tags":[],"title":"Two","year":2e3}` + "\n"},
		{Layout{IDColumn: "meta", PromptColumn: "title"}, "row-1! invalid_type: meta is an object; a custom_id is a text or a number\nrow-2! invalid_type: meta is an object; a custom_id is a text or a number\n"},
	} {
		o := jsonlOptions()
		o.Layout = tt.layout
		rows := readAll(t, papers, o)
		if got := describeRows(rows); got != tt.want {
			t.Errorf("%+v:\n%s\nwant\n%s", tt.layout, got, tt.want)
		}
		list := "[" + strings.Replace(strings.TrimSpace(papers), "\n", ",\n", 1) + "]"
		for i, row := range readAll(t, list, o) {
			if row.CustomID != rows[i].CustomID {
				t.Errorf("%+v: row %d of a list is %s, of a line %s", tt.layout, i+1, row.CustomID, rows[i].CustomID)
			}
		}
		o.NamesOnly = true
		for i, row := range readAll(t, papers, o) {
			if row.CustomID != rows[i].CustomID || row.Key.Name() != rows[i].Key.Name() {
				t.Errorf("%+v: the name of row %d alone is %s, with its request %s", tt.layout, i+1, row.CustomID, rows[i].CustomID)
			}
		}
	}
}

// The conversations of datasets, in both forms. The answers at their ends are left out.
func TestMessagesColumn(t *testing.T) {
	const chats = `{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}],"source":"x"}
{"messages":[{"role":"user","content":"Bye"}]}
{"messages":[{"from":"human","value":"One?"},{"from":"gpt","value":"1"},{"from":"human","value":"Two?"},{"from":"gpt","value":"2"}]}
{"messages":[{"from":"robot","value":"One?"}]}
{"messages":[{"role":"assistant","content":"Hello"}]}
{"messages":"Hi"}
{"conversations":[]}
`
	o := jsonlOptions()
	o.Layout = Layout{MessagesColumn: "messages"}
	r := NewReader(strings.NewReader(chats), o)
	var rows []Row
	for {
		row, err := r.Next()
		if err != nil {
			break
		}
		rows = append(rows, row)
	}
	const want = `row-1 system=Be brief. user=Hi
row-2 user=Bye
row-3 user=One? assistant=1 user=Two?
row-4! invalid_value: messages[0].from is "robot"; it must be system, human or gpt
row-5! invalid_value: messages has only turns of the assistant; a conversation needs a question
row-6! invalid_type: messages is a string; it must be a list
row-7! missing_required_parameter: messages is missing: --messages-column names this column; the row has "conversations"
`
	if got := describeRows(rows); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := strings.Join(r.Remarks(), "; "); got != "conversations whose last turns, those of the assistant, are left out: 2" {
		t.Errorf("remarks %s", got)
	}
	o.Layout = Layout{IDColumn: "source"} // where only the names are given, both prompt and messages are found
	if got := describeRows(readAll(t, strings.Replace(chats, `"messages":[{"role":"user","content":"Bye"}]`, `"prompt":"Bye","source":"y"`, 1), o)[:2]); got != "x system=Be brief. user=Hi\ny user=Bye\n" {
		t.Errorf("got %s", got)
	}
}
