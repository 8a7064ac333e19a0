package prompt

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode/utf8"
)

// promptTemplate makes prompts from named values.
type promptTemplate struct {
	template *template.Template
	values   map[string]any // of the next prompt
	paths    [][]string     // the values that the template names: {{.a.b}} is a, b
	usesAll  bool           // the template has a dot by itself, as in {{json .}}
	missing  string         // the name that the template's index function did not find
	out      strings.Builder
}

// errNoName has no name in its message: the name may be the content of a cell.
var errNoName = errors.New("it asks for a name that the row does not have")

// templateName is the template's name in error messages.
const templateName = "--prompt-template"

// parsePrompt parses a template. The error is a *LayoutError.
func parsePrompt(text string) (*promptTemplate, error) {
	t := &promptTemplate{values: make(map[string]any)}
	functions := maps.Clone(templateFunctions)
	functions["index"] = t.index
	var err error
	t.template, err = template.New(templateName).Option("missingkey=error").Funcs(functions).Parse(text)
	if err != nil {
		return nil, layoutErrorf("%s%s", plainTemplateError(err), nameHint(err))
	}
	if t.template.Tree != nil {
		t.find(t.template.Tree.Root)
	}
	return t, nil
}

// index is the template's index function: the standard library's returns an empty value for a name that does not exist.
func (t *promptTemplate) index(collection any, keys ...any) (any, error) {
	for _, key := range keys {
		name, named := key.(string)
		number, numbered := key.(int)
		var found bool
		switch c := collection.(type) {
		case map[string]any:
			collection, found = c[name]
		case jsonObject:
			collection, found = c[name]
		case jsonList:
			if found = numbered && number >= 0 && number < len(c); found {
				collection = c[number]
			}
			named = false
		case absent:
			return c, nil
		default:
			return nil, fmt.Errorf("index needs the values, an object or a list")
		}
		if !found {
			if named {
				t.missing = name
				return nil, errNoName
			}
			return absent{}, nil
		}
	}
	return collection, nil
}

// find notes the values that the nodes below a node name.
func (t *promptTemplate) find(node parse.Node) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, child := range n.Nodes {
				t.find(child)
			}
		}
	case *parse.ActionNode:
		t.find(n.Pipe)
	case *parse.PipeNode:
		if n != nil {
			for _, command := range n.Cmds {
				t.find(command)
			}
		}
	case *parse.CommandNode:
		t.findIndexed(n)
		for _, arg := range n.Args {
			t.find(arg)
		}
	case *parse.FieldNode:
		t.paths = append(t.paths, n.Ident)
	case *parse.ChainNode:
		t.find(n.Node)
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			t.paths = append(t.paths, n.Ident[1:])
			return
		}
		t.usesAll = true
	case *parse.DotNode:
		t.usesAll = true
	case *parse.IfNode:
		t.findBranches(&n.BranchNode)
	case *parse.RangeNode:
		t.findBranches(&n.BranchNode)
	case *parse.WithNode:
		t.findBranches(&n.BranchNode)
	}
}

func (t *promptTemplate) findBranches(n *parse.BranchNode) {
	t.find(n.Pipe)
	t.find(n.List)
	t.find(n.ElseList)
}

// findIndexed notes the name in {{index . "a b"}}.
func (t *promptTemplate) findIndexed(n *parse.CommandNode) {
	if len(n.Args) < 3 {
		return
	}
	function, isName := n.Args[0].(*parse.IdentifierNode)
	_, isDot := n.Args[1].(*parse.DotNode)
	name, isText := n.Args[2].(*parse.StringNode)
	if isName && function.Ident == "index" && isDot && isText {
		t.paths = append(t.paths, []string{name.Text})
	}
}

// fill sets the values of the next prompt. A value that the template names, and that the row does not have, is absent.
func (t *promptTemplate) fill(values map[string]any) {
	t.values = values
	for _, path := range t.paths {
		at := values
		for _, name := range path {
			member, ok := at[name]
			if !ok {
				at[name] = absent{}
				break
			}
			object, ok := member.(jsonObject)
			if !ok {
				break
			}
			at = object
		}
	}
}

// absentNames returns the values that the template names and that the row does not have, for a message.
func (t *promptTemplate) absentNames() string {
	var names []string
	for _, path := range t.paths {
		var at any = jsonObject(t.values)
		for i, name := range path {
			object, ok := at.(jsonObject)
			if !ok {
				break
			}
			if at = object[name]; isAbsent(at) {
				names = append(names, "."+strings.Join(path[:i+1], "."))
				break
			}
		}
	}
	return strings.Join(names, ", ")
}

func isAbsent(v any) bool {
	_, ok := v.(absent)
	return ok
}

// checkUse returns an error if the template names no value, so that all prompts would be the same. example is such a name.
func (t *promptTemplate) checkUse(text, example string) error {
	if len(t.paths) > 0 || t.usesAll {
		return nil
	}
	hint := ""
	if m := braced.FindStringSubmatch(text); m != nil {
		hint = fmt.Sprintf("; %s is written {{.%s}}", m[0], m[1])
	}
	return layoutErrorf("%s uses no column, so every row would have the same prompt; a column is {{.%s}}%s", templateName, example, hint)
}

// braced matches a name as Python's format and LLMFlux write it.
var braced = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// trialValue is long enough for a template that cuts its values.
var trialValue = strings.Repeat("0", 1000)

// check fills in the template before the first row, with values for the given names. Explain returns the error of a name
// that does not exist.
//
// The first trial has long values, the second empty ones: together they take both branches of {{if .name}}. In the
// second trial only a missing name counts, because a value that is too short for the template is its row's fault.
func (t *promptTemplate) check(names []string, explain func(name string) error) error {
	if t.isEmpty() {
		return layoutErrorf("%s is empty", templateName)
	}
	for _, value := range []string{trialValue, ""} {
		for _, name := range names {
			t.values[name] = value
		}
		_, err := t.prompt()
		if name, missing := t.missingName(err); missing && name != value {
			return layoutErrorf("%s: %w", templateName, explain(name))
		}
		if err != nil && value != "" {
			return layoutErrorf("%s", plainTemplateError(err))
		}
	}
	return nil
}

func (t *promptTemplate) isEmpty() bool {
	return t.template.Tree == nil || len(t.template.Tree.Root.Nodes) == 0
}

// missingKey matches the message of text/template for a field that is not a key of the values: it has no error type.
var missingKey = regexp.MustCompile(`map has no entry for key (".*")$`)

// missingName returns the name that does not exist if err, the error of the last prompt, is about a name.
func (t *promptTemplate) missingName(err error) (name string, missing bool) {
	if errors.Is(err, errNoName) {
		return t.missing, true
	}
	exec, ok := errors.AsType[template.ExecError](err)
	if !ok {
		return "", false
	}
	m := missingKey.FindStringSubmatch(exec.Err.Error())
	if m == nil {
		return "", false
	}
	name, err = strconv.Unquote(m[1])
	return name, err == nil
}

// errNotUTF8 means that the prompt is not UTF-8. A JSON request would silently replace the wrong bytes.
var errNotUTF8 = errors.New("the prompt is not valid UTF-8: a file name is not UTF-8, or slice cut a character in two (slice counts bytes, {{truncate 100 .text}} counts characters)")

// prompt fills in the template with the values.
func (t *promptTemplate) prompt() (string, error) {
	t.out.Reset() // earlier prompts stay valid: they belong to the caller
	err := t.template.Execute(&t.out, t.values)
	switch text := t.out.String(); {
	case err != nil:
		return text, err
	case strings.Contains(text, absentMark):
		return "", fmt.Errorf("the row has no value for %s; {{default \"…\" .name}} or {{if .name}} … {{end}} makes do without", cmp.Or(t.absentNames(), "a part of a column"))
	case !utf8.ValidString(text):
		return "", errNotUTF8
	default:
		return text, nil
	}
}

// nameHint returns advice on the form of names for a template that does not parse because of a missing dot or an
// unsupported character in a name.
func nameHint(err error) string {
	if text := err.Error(); !strings.Contains(text, "function ") && !strings.Contains(text, "bad character") {
		return ""
	}
	return `; a column is {{.title}}, or {{index . "full text"}} if its name has characters other than letters, digits and _`
}

// plainTemplateError returns the message without the prefix of the package.
func plainTemplateError(err error) string { return strings.TrimPrefix(err.Error(), "template: ") }

// templateError returns the row's error for a failed template. It does not show what the template quotes of the row.
func templateError(err error) *rowError {
	reason := "its values do not fit the template"
	exec, failed := errors.AsType[template.ExecError](err)
	switch {
	case failed && missingKey.MatchString(exec.Err.Error()):
		reason = errNoName.Error() // the name is part of the template
	case failed:
		if cause := errors.Unwrap(exec.Err); cause != nil {
			reason = cause.Error()
		}
	default:
		reason = err.Error()
	}
	return rowErrorf(CodeInvalidValue, "", "cannot fill in the %s: %s", templateName, reason)
}
