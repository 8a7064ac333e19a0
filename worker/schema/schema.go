package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Schema is a compiled JSON Schema. It is safe for concurrent use.
type Schema struct {
	// Grammar is the schema for a server's grammar: every answer that the original schema accepts has a form that
	// Grammar accepts, unless a subschema is beyond every grammar. It is the original text where nothing had to change.
	Grammar json.RawMessage

	text     json.RawMessage // as the user wrote it, without white space
	compiled *jsonschema.Schema
}

// Compile compiles a schema that constrains and checks answers, from a valid JSON object without white space. It returns
// a *LimitError, an *UnsupportedError or an *InvalidError.
func Compile(text json.RawMessage) (*Schema, error) {
	root, err := read(text)
	if err != nil {
		return nil, err
	}
	changed, err := rewrite(root, len(text))
	if err != nil {
		return nil, err
	}
	s, err := compileChecked(text)
	if err == nil && changed {
		s.Grammar, err = root.MarshalJSON()
	}
	return s, err
}

// CompileArguments compiles the schema of a tool's arguments, which checks calls. No server makes a grammar of its
// patterns and counts. The errors are those of Compile.
func CompileArguments(text json.RawMessage) (*Schema, error) {
	if _, err := read(text); err != nil {
		return nil, err
	}
	return compileChecked(text)
}

// CheckArguments reports whether text is a schema within the limits, for a tool whose calls are not checked. Its
// patterns may be beyond Go's regular expressions.
func CheckArguments(text json.RawMessage) error {
	if _, err := read(text); err != nil {
		return err
	}
	_, err := compile(text, uncheckedPattern)
	return err
}

func compileChecked(text json.RawMessage) (*Schema, error) {
	s := &Schema{Grammar: text, text: text}
	var err error
	if s.compiled, err = compile(text, new(patterns).compile); err != nil {
		return nil, err
	}
	if new(expansion).of(s.compiled) > maxExpansion {
		return nil, &LimitError{fmt.Sprintf("has more than %d subschemas for one value when its references and alternatives are expanded, or refers to itself without end", maxExpansion)}
	}
	return s, nil
}

// never is the pattern of a schema that nothing is checked against.
type never struct{ text string }

func (n never) String() string        { return n.text }
func (never) MatchString(string) bool { return false }

func uncheckedPattern(text string) (jsonschema.Regexp, error) { return never{text}, nil }

// noLoader rejects references to other schemas. The library's default loader would read files for a row.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to another schema, %s; put that schema into its $defs", quote(url))
}

// schemaURL is the internal URL of a row's schema. It is never fetched.
const schemaURL = "urn:row"

// compile compiles a schema with the library. Like an error, a panic of the library is the fault of the schema.
func compile(text json.RawMessage, patterns jsonschema.RegexpEngine) (compiled *jsonschema.Schema, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = invalidf("compiling it failed: %v", cause)
		}
	}()
	// Keep numbers as written; the standard library would convert them.
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	c.UseRegexpEngine(patterns)
	if err == nil {
		err = c.AddResource(schemaURL, document)
	}
	if err == nil {
		compiled, err = c.Compile(schemaURL)
	}
	if err != nil {
		return nil, fault(err)
	}
	return compiled, nil
}

// fault returns the library's error with a message on one line, without schemaURL.
func fault(err error) error {
	if broken, ok := errors.AsType[*patternError](err); ok {
		return &UnsupportedError{"one place", broken.Error()}
	}
	if invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		err = invalid.Err
	}
	if elsewhere, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
		err = elsewhere.Err
	}
	if broken, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		for len(broken.Causes) > 0 {
			broken = broken.Causes[0]
		}
		at := "/" + strings.Join(broken.InstanceLocation, "/")
		switch k := broken.ErrorKind.(type) {
		case *kind.Enum:
			if name, ok := k.Got.(string); ok {
				return invalidf("at %s it is %s, which is unknown to JSON Schema", at, quote(name))
			}
		case *kind.Format:
			if broken, ok := errors.AsType[*patternError](k.Err); ok {
				return &UnsupportedError{at, broken.Error()}
			}
		}
		return invalidf("at %s it violates %s", at, strings.Join(broken.ErrorKind.KeywordPath(), "/"))
	}
	return invalidf("%s", strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), schemaURL, "")), " "))
}
