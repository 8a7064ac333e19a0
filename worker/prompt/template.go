package prompt

import (
	"errors"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode/utf8"
)

// promptTemplate makes prompts of named values.
type promptTemplate struct {
	template *template.Template
	values   map[string]string // used again for each prompt
	out      strings.Builder
}

// errNoName does not tell the name: it may be what stands in a cell.
var errNoName = errors.New("it asks for a name that the row does not have")

// templateName is what the template's own messages call it.
const templateName = "--prompt-template"

// parsePrompt reads a template. The error is a LayoutError.
func parsePrompt(text string) (*promptTemplate, error) {
	// index of the standard library takes a name that is not there for an empty value.
	functions := template.FuncMap{"index": func(values map[string]string, name string) (string, error) {
		value, ok := values[name]
		if !ok {
			return "", errNoName
		}
		return value, nil
	}}
	t, err := template.New(templateName).Option("missingkey=error").Funcs(functions).Parse(text)
	if err != nil {
		return nil, layoutErrorf("%s%s", plainTemplateError(err), nameHint(err))
	}
	return &promptTemplate{template: t, values: make(map[string]string)}, nil
}

// trialValue is long enough for a template that cuts its values.
var trialValue = strings.Repeat("0", 1000)

// check finds out before the first row whether the template can work with values of these names. place is the error of
// a name that is not there.
func (t *promptTemplate) check(names []string, place func(name string) error) error {
	if t.template.Tree == nil || len(t.template.Tree.Root.Nodes) == 0 {
		return layoutErrorf("%s is empty", templateName)
	}
	for _, name := range namesIn(t.template.Tree.Root) {
		if err := place(name); err != nil {
			return layoutErrorf("%s: %w", templateName, err)
		}
	}
	// What is no matter of names shows when it is tried. A value of its own may be too short for what is done with it, and
	// then only its row is to blame.
	for _, name := range names {
		t.values[name] = trialValue
	}
	if _, err := t.prompt(); err != nil {
		return layoutErrorf("%s", plainTemplateError(err))
	}
	return nil
}

// errNoText is a prompt that a request cannot hold as it is: JSON would have another character in the place of what is none.
var errNoText = errors.New("it makes no UTF-8: either a name is none, or a character is cut in two, since slice counts bytes ({{printf \"%.100s\" .text}} counts characters)")

// prompt makes the prompt of the values.
func (t *promptTemplate) prompt() (string, error) {
	t.out.Reset() // and what was handed out before is the caller's alone
	err := t.template.Execute(&t.out, t.values)
	if text := t.out.String(); err != nil || utf8.ValidString(text) {
		return text, err
	}
	return "", errNoText
}

// nameHint tells how a name is written, where a template does not parse for want of a dot or for a sign in the name.
func nameHint(err error) string {
	if text := err.Error(); !strings.Contains(text, "function ") && !strings.Contains(text, "bad character") {
		return ""
	}
	return `; a column is {{.title}}, or {{index . "full text"}} where its name has more than letters, digits and _`
}

// plainTemplateError leaves out the package's name, which stands in front of the template's.
func plainTemplateError(err error) string { return strings.TrimPrefix(err.Error(), "template: ") }

// templateProblem is why a template makes no prompt of a row. What the template quotes of it must not be told.
func templateProblem(err error) *problem {
	reason := "its values do not go with it"
	if errors.Is(err, errNoText) {
		reason = err.Error()
	} else if exec, ok := errors.AsType[template.ExecError](err); ok {
		if cause := errors.Unwrap(exec.Err); cause != nil {
			reason = cause.Error()
		}
	}
	return problemf(CodeInvalidValue, "", "does not fill in the %s: %s", templateName, reason)
}

// namesIn finds the names that a template takes from the row wherever that can be told without running it: also in a
// branch that few rows take.
func namesIn(root *parse.ListNode) []string {
	var found templateNames
	found.list(root, true)
	return found
}

// templateNames gathers names. Its methods are told whether the dot is the row; $ always is.
type templateNames []string

func (t *templateNames) list(l *parse.ListNode, row bool) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			t.pipe(n.Pipe, row)
		case *parse.IfNode:
			t.branches(&n.BranchNode, row, row)
		case *parse.WithNode:
			t.branches(&n.BranchNode, row, false)
		case *parse.RangeNode:
			t.branches(&n.BranchNode, row, false)
		case *parse.TemplateNode:
			t.pipe(n.Pipe, row)
		}
	}
}

// branches follows both branches; in the first the dot may be another.
func (t *templateNames) branches(b *parse.BranchNode, row, rowInside bool) {
	t.pipe(b.Pipe, row)
	t.list(b.List, rowInside)
	t.list(b.ElseList, row)
}

func (t *templateNames) pipe(p *parse.PipeNode, row bool) {
	if p == nil {
		return
	}
	for _, c := range p.Cmds {
		if name, ok := indexed(c, row); ok {
			*t = append(*t, name)
		}
		for _, arg := range c.Args {
			t.operand(arg, row)
		}
	}
}

func (t *templateNames) operand(n parse.Node, row bool) {
	switch n := n.(type) {
	case *parse.FieldNode:
		if row {
			*t = append(*t, n.Ident[0])
		}
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			*t = append(*t, n.Ident[1])
		}
	case *parse.ChainNode:
		t.operand(n.Node, row)
	case *parse.PipeNode:
		t.pipe(n, row)
	}
}

// indexed is the name in {{index . "name"}}, or with $ for the dot.
func indexed(c *parse.CommandNode, row bool) (string, bool) {
	if len(c.Args) != 3 {
		return "", false
	}
	function, ok := c.Args[0].(*parse.IdentifierNode)
	if !ok || function.Ident != "index" {
		return "", false
	}
	name, ok := c.Args[2].(*parse.StringNode)
	if !ok {
		return "", false
	}
	switch of := c.Args[1].(type) {
	case *parse.DotNode:
		return name.Text, row
	case *parse.VariableNode:
		return name.Text, len(of.Ident) == 1 && of.Ident[0] == "$"
	}
	return "", false
}
