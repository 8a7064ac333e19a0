package prompt

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func compile(text string, names ...string) (*promptTemplate, error) {
	t, err := parsePrompt(text)
	if err != nil {
		return nil, err
	}
	return t, t.check(names, func(name string) error {
		if !slices.Contains(names, name) {
			return fmt.Errorf("there is no %s", quote(name))
		}
		return nil
	})
}

func TestTemplates(t *testing.T) {
	for text, want := range map[string]string{
		"{{.title}}":                                                      "T",
		"{{index . \"my col\"}}":                                          "C <&>",
		"{{$.title}}{{index $ `my col`}}":                                 "TC <&>",
		"{{if .empty}}no{{else}}{{.title}}{{end}}":                        "T",
		"{{with .title}}{{.}} {{$.title}}{{end}}":                         "T T",
		"{{with $x := .title}}{{$x}}{{end}}":                              "T",
		"{{range $k, $v := .}}{{$k}}={{$v}};{{end}}":                      "empty=;my col=C <&>;title=T;",
		"{{define \"x\"}}<{{.}}>{{end}}{{template \"x\" .title}}":         "<T>",
		"{{.title | printf \"%5s\"}}|{{len .title}}|{{slice .title 0 1}}": "    T|1|T",
		"Say {{/* nothing */ -}} y":                                       "Say y",
	} {
		c, err := compile(text, "title", "my col", "empty")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for range 2 {
			c.values["title"], c.values["my col"], c.values["empty"] = "T", "C <&>", ""
			if got, err := c.prompt(); err != nil || got != want {
				t.Errorf("%s: %q, %v, want %q", text, got, err, want)
			}
		}
	}
}

// What cannot work with any row is found before the first.
func TestBadTemplates(t *testing.T) {
	for text, want := range map[string]string{
		"{{.title":                               "--prompt-template:1: unclosed action",
		"{{nope .title}}":                        `--prompt-template:1: function "nope" not defined`,
		"{{title}}":                              `function "title" not defined; a column is {{.title}}`,
		"{{.my col}}":                            `function "col" not defined; a column is {{.title}}, or {{index . "full text"}}`,
		"{{.my-col}}":                            `bad character U+002D '-'; a column is {{.title}}, or {{index . "full text"}}`,
		"":                                       "--prompt-template is empty",
		"{{.titel}}":                             `--prompt-template: there is no "titel"`,
		"{{$.titel}}":                            `there is no "titel"`,
		"{{index . \"titel\"}}":                  `there is no "titel"`,
		"{{index $ \"titel\"}}":                  `there is no "titel"`,
		"{{(index . `a`).b}}":                    `there is no "a"`,
		"{{if .title}}{{else}}{{.titel}}{{end}}": `there is no "titel"`,
		"{{if .title}}{{.titel | printf \"%s\"}}{{end}}":   `there is no "titel"`,
		"{{range .}}{{$.titel}}{{end}}":                    `there is no "titel"`,
		"{{with .titel}}{{end}}":                           `there is no "titel"`,
		"{{template \"x\" .titel}}{{define \"x\"}}{{end}}": `there is no "titel"`,
		"{{with .title}}{{.title}}{{end}}":                 "can't evaluate field title in type string",
		"{{.title.first}}":                                 "can't evaluate field first in type interface {}",
		"{{lt .title 5}}":                                  "incompatible types for comparison",
		"{{template \"x\"}}":                               `template "x" not defined`,
	} {
		if _, err := compile(text, "title"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		} else if _, ok := err.(*LayoutError); !ok || strings.Contains(err.Error(), "template: --") {
			t.Errorf("%s: %T %v", text, err, err)
		}
	}
}

// What a template makes must be text: a character that it cuts in two would be another one in the request.
func TestTemplatesThatCutCharacters(t *testing.T) {
	for template, want := range map[string]string{"{{slice .prompt 0 4}}": "", `{{printf "%.4s" .prompt}}`: "kö€n", "{{slice .prompt 0 3}}": "kö"} {
		r, _ := tableOf(t, strings.NewReader("prompt\nkö€nig\n"), Options{Layout: Layout{PromptTemplate: template}})
		row, err := r.Next()
		switch {
		case err != nil:
			t.Error(err)
		case want == "" && (row.Reject == nil || row.Reject.Code != CodeInvalidValue || !strings.Contains(row.Reject.Message, "cut a character in two")):
			t.Errorf("%s: %v, want a row that cannot be asked", template, row.Reject)
		case want != "" && (row.Reject != nil || row.Request.Messages[0].Content != want):
			t.Errorf("%s: %v, want %q", template, row, want)
		}
	}
}

// A template that fails for one row's cells gives that row an error, which does not show the cells.
func TestTemplatesThatDoNotGoWithARow(t *testing.T) {
	for template, want := range map[string]string{
		"{{slice .prompt 0 8}}":                  "the row at in.csv:2 cannot fill in the --prompt-template: index out of range: 8",
		"{{index . .prompt}}":                    "it asks for a name that the row does not have",
		"{{if eq .n \"1\"}}{{.titel}}{{end}}":    "it asks for a name that the row does not have",
		"{{if eq .n \"1\"}}{{.prompt.x}}{{end}}": "its values do not fit the template",
	} {
		r, _ := tableOf(t, strings.NewReader("prompt,n\n"+secretMark+",1\n"), Options{Layout: Layout{PromptTemplate: "{{if ne .n `" + trialValue + "`}}" + template + "{{end}}"}})
		row, err := r.Next()
		if err != nil || row.Reject == nil || row.Reject.Code != CodeInvalidValue || !strings.Contains(row.Reject.Message, want) {
			t.Errorf("%s: %v, %v, want %s", template, err, row.Reject, want)
		}
		if row.Reject != nil && strings.Contains(row.Reject.Message, secretMark) {
			t.Errorf("the message tells the prompt: %s", row.Reject.Message)
		}
	}
}

func TestLayoutCheck(t *testing.T) {
	for _, l := range []Layout{{PromptColumn: "a", PromptTemplate: "b"}, {PromptTemplate: "{{"}} {
		if err := l.Check(); err == nil {
			t.Errorf("%+v is taken", l)
		}
	}
	for _, l := range []Layout{{}, {PromptColumn: "a", IDColumn: "b"}, {PromptTemplate: "{{.a}}"}} {
		if err := l.Check(); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
}
