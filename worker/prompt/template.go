package prompt

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"unicode/utf8"
)

// promptTemplate makes prompts from named values.
type promptTemplate struct {
	template *template.Template
	values   map[string]string // reused for each prompt
	missing  string            // the name that the template's index function did not find
	out      strings.Builder
}

// errNoName has no name in its message: the name may be the content of a cell.
var errNoName = errors.New("it asks for a name that the row does not have")

// templateName is the template's name in error messages.
const templateName = "--prompt-template"

// parsePrompt parses a template. The error is a *LayoutError.
func parsePrompt(text string) (*promptTemplate, error) {
	t := &promptTemplate{values: make(map[string]string)}
	// The standard library's index returns an empty value for a name that does not exist.
	functions := template.FuncMap{"index": func(values map[string]string, name string) (string, error) {
		value, ok := values[name]
		if !ok {
			t.missing = name
			return "", errNoName
		}
		return value, nil
	}}
	var err error
	t.template, err = template.New(templateName).Option("missingkey=error").Funcs(functions).Parse(text)
	if err != nil {
		return nil, layoutErrorf("%s%s", plainTemplateError(err), nameHint(err))
	}
	return t, nil
}

// trialValue is long enough for a template that cuts its values.
var trialValue = strings.Repeat("0", 1000)

// check fills in the template before the first row, with values for the given names. Explain returns the error of a name
// that does not exist.
//
// The first trial has long values, the second empty ones: together they take both branches of {{if .name}}. In the
// second trial only a missing name counts, because a value that is too short for the template is its row's fault.
func (t *promptTemplate) check(names []string, explain func(name string) error) error {
	if t.template.Tree == nil || len(t.template.Tree.Root.Nodes) == 0 {
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
var errNotUTF8 = errors.New("the prompt is not valid UTF-8: a file name is not UTF-8, or slice cut a character in two (slice counts bytes, {{printf \"%.100s\" .text}} counts characters)")

// prompt fills in the template with the values.
func (t *promptTemplate) prompt() (string, error) {
	t.out.Reset() // earlier prompts stay valid: they belong to the caller
	err := t.template.Execute(&t.out, t.values)
	if text := t.out.String(); err != nil || utf8.ValidString(text) {
		return text, err
	}
	return "", errNotUTF8
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
	case errors.Is(err, errNotUTF8):
		reason = err.Error()
	case failed && missingKey.MatchString(exec.Err.Error()):
		reason = errNoName.Error() // the name is part of the template
	case failed:
		if cause := errors.Unwrap(exec.Err); cause != nil {
			reason = cause.Error()
		}
	}
	return rowErrorf(CodeInvalidValue, "", "cannot fill in the %s: %s", templateName, reason)
}
