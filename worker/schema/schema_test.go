package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// nested returns a schema of objects inside each other.
func nested(levels int) string {
	return strings.Repeat(`{"properties":{"a":`, levels) + `{"type":"string"}` + strings.Repeat("}}", levels)
}

// wide returns an object with many required properties.
func wide(properties int) string {
	var list, required []string
	for i := range properties {
		list = append(list, fmt.Sprintf(`"p%d":{"type":"string"}`, i))
		required = append(required, fmt.Sprintf(`"p%d"`, i))
	}
	return `{"type":"object","properties":{` + strings.Join(list, ",") + `},"required":[` + strings.Join(required, ",") + `]}`
}

// doubling returns a schema of two kilobytes whose references double at each level.
func doubling(levels int, leaf string) string {
	var defs []string
	for i := range levels {
		defs = append(defs, fmt.Sprintf(`"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, i, i+1, i+1))
	}
	return fmt.Sprintf(`{"$defs":{%s,"d%d":%s},"$ref":"#/$defs/d0"}`, strings.Join(defs, ","), levels, leaf)
}

func TestSchemaBeyondTheLimits(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"deep":              {nested(400), "is nested deeper than 100 levels"},
		"1600 levels":       {nested(1600), "is nested deeper than 100 levels"},
		"100000 properties": {wide(100_000), "has more than 2000 subschemas"},
		"long paths":        {`{"properties":{"` + strings.Repeat("x", 50_000) + `":` + wide(100) + `}}`, "long paths"},
		"doubling":          {doubling(30, `{"type":"object"}`), "has more than 10000 subschemas for one value"},
		"circle":            {`{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"string"}]}}}`, "refers to itself without end"},
		"itself":            {`{"$ref":"#"}`, "refers to itself without end"},
		"number":            {`{"minimum":1e9999999}`, "a number beyond 1000 digits"},
		"digits":            {`{"minimum":1` + strings.Repeat("0", 1001) + `}`, "a number beyond 1000 digits"},
		"enum":              {`{"enum":["` + strings.Repeat("x", 1<<20) + `"]}`, "a grammar of more than 1048576 bytes"},
	} {
		_, err := Compile([]byte(c.text))
		if limit, ok := errors.AsType[*LimitError](err); !ok || !strings.Contains(limit.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	for _, text := range []string{nested(40), wide(1900), doubling(10, `{"type":"object"}`)} {
		if _, err := Compile([]byte(text)); err != nil {
			t.Errorf("%.80s: %v", text, err)
		}
	}
}

// Whether a server holds what the grammar becomes, TestSchemasOnEngines in test/engines says.
func TestSchemaIsRewritten(t *testing.T) {
	for text, want := range map[string]string{
		`{"b":1,"a":{"pattern":"\\d"},"type":"string","pattern":"^\\d$"}`:                                                    `{"b":1,"a":{"pattern":"\\d"},"type":"string","pattern":"^[0-9]$"}`,
		`{"properties":{"pattern":{"type":"string","maxLength":1999},"x":{"type":"string","maxLength":2000,"minLength":2}}}`: `{"properties":{"pattern":{"type":"string","maxLength":1999},"x":{"type":"string","minLength":2}}}`,
		`{"items":{"type":"string"},"maxItems":5000,"minItems":601}`:                                                         `{"items":{"type":"string"}}`,
		`{"properties":{"c":{"items":{"$ref":"#"}}}}`:                                                                        `{"$ref":"#/$defs/root","$defs":{"root":{"properties":{"c":{"items":{"$ref":"#/$defs/root"}}}}}}`,
		`{"properties":{"c":{"$ref":"#"},"d":{"$ref":"#/properties/c"},"e":{"$ref":"#/$defs/root"}},"$defs":{"root":{}}}`:    `{"$ref":"#/$defs/root_","$defs":{"root":{},"root_":{"properties":{"c":{"$ref":"#/$defs/root_"},"d":{"$ref":"#/$defs/root_/properties/c"},"e":{"$ref":"#/$defs/root"}}}}}`,
		`{"$ref":"#/x/y","x":{"y":{"type":"string","pattern":"\\d"}}}`:                                                       ``,
		`{"type":"integer","minimum":100000000000000000,"maximum":2e17}`:                                                     `{"type":"integer"}`,
		`{"properties":{"größe":{}},"additionalProperties":true}`:                                                            `{"properties":{"größe":{}}}`,
		`{"properties":{"size":{}},"additionalProperties":true}`:                                                             ``,
		`{"enum":["<\\d>"],"const":{"pattern":"\\d"},"default":{"maxLength":9999}}`:                                          ``,
	} {
		s, err := Compile([]byte(text))
		switch {
		case err != nil:
			t.Errorf("%s: %v", text, err)
		case strings.Contains(text, "#/x/y"): // a reference below an unknown keyword
			if strings.Contains(string(s.Grammar), `\\d`) {
				t.Errorf("%s is still in the grammar", s.Grammar)
			}
		case want == "":
			if string(s.Grammar) != text {
				t.Errorf("%s is rewritten to %s", text, s.Grammar)
			}
		case string(s.Grammar) != want:
			t.Errorf("%s is rewritten to\n%s, want\n%s", text, s.Grammar, want)
		}
	}
}

func TestSchemaBeyondTheGrammars(t *testing.T) {
	for text, want := range map[string]string{
		`{"properties":{"p":{"anyOf":[{"type":"number"},{"pattern":"^(?!a)b$"}]}}}`: `at /properties/p/anyOf/1/pattern it has the pattern "^(?!a)b$", with look-ahead, (?=…) or (?!…); write`,
		`{"patternProperties":{"^(?=a)":{}}}`:                                       `with look-ahead`,
		`{"type":"string","minLength":5,"maxLength":3}`:                             `at  it has minLength 5 and maxLength 3, which no value has`,
		`{"properties":{"p":{"type":"integer","minimum":5,"maximum":2}}}`:           `bounds without a whole number between 5 and 2`,
		`{"type":["integer","null"],"exclusiveMinimum":1,"exclusiveMaximum":2}`:     `bounds without a whole number between 2 and 1`,
		`{"$dynamicRef":"#a"}`:                                                                           `$dynamicRef`,
		`{"$ref":"#a","$defs":{"x":{"$anchor":"a"}}}`:                                                    `"#a", which the grammars of the servers lack; use "#/$defs/"`,
		`{"properties":{"p":{"type":"string","pattern":"(a{1000}){1000}"}}}`:                             `more than 1000 repetitions`,
		`{"allOf":[` + strings.Repeat(`{"pattern":"^(abcdefghijklmnopqrstuvwxyz){1000}$"},`, 9) + `{}]}`: `too many repetitions`,
		strings.Replace(wide(400), `"required"`, `"x"`, 1):                                               `400 optional properties`,
	} {
		_, err := Compile([]byte(text))
		if _, ok := errors.AsType[*UnsupportedError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%.90s: %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]string{
		`{"$ref":"#/$defs/none"}`: "it refers to \"#/$defs/none\", which it does not have",
		`{"type":"objekt"}`:       `at /type it is "objekt", which is unknown to JSON Schema`,
		`{"pattern":5}`:           `at /pattern it violates type`,
		`{"$ref":5}`:              `at /$ref it violates type`,
	} {
		_, err := Compile([]byte(text))
		if _, ok := errors.AsType[*InvalidError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// A tool's schema is no grammar, and a tool that is not strict is never checked.
func TestSchemaOfArguments(t *testing.T) {
	for _, text := range []string{`{"pattern":"\\bword\\b","minLength":5,"maxLength":3}`, `{"$ref":"#/$defs/a","$defs":{"a":{"$anchor":"b"}}}`} {
		if _, err := CompileArguments([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	lookAhead := []byte(`{"properties":{"p":{"pattern":"^(?!a)b$"}}}`)
	if _, err := CompileArguments(lookAhead); err == nil || !strings.Contains(err.Error(), "at /properties/p/pattern it has the pattern") {
		t.Error(err)
	}
	if err := CheckArguments(lookAhead); err != nil {
		t.Error(err)
	}
	for _, text := range []string{`{"type":5}`, nested(400)} {
		if err := CheckArguments([]byte(text)); err == nil {
			t.Errorf("%.50s is accepted", text)
		}
	}
}

func check(t *testing.T, schema, answer string) error {
	t.Helper()
	s, err := CompileArguments([]byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	value, err := Parse(answer)
	if err != nil {
		return err
	}
	return s.Check(value)
}

func TestCheckHasABudget(t *testing.T) {
	const tree = `{"anyOf":[{"properties":{"l":{"$ref":"#"},"o":{"const":1}}},{"properties":{"l":{"$ref":"#"},"o":{"const":2}}},{"properties":{"l":{"$ref":"#"}}}]}`
	long := strings.Repeat("a", 1<<20)
	unique := `[` + strings.Repeat(`"a",`, 21) + `1e9999999]`
	for name, c := range map[string]struct{ schema, answer, want string }{
		"tree":      {tree, strings.Repeat(`{"o":3,"l":`, 20) + "1" + strings.Repeat("}", 20), "needs more than 100000 steps"},
		"pattern":   {`{"pattern":"^(a|b|ab){500}c$"}`, `"` + long + `"`, "needs more than 100000 steps"},
		"enum":      {`{"items":{"enum":[` + strings.Repeat(`"x",`, 20_000) + `1]}}`, `[` + strings.Repeat(`"y",`, 1000) + `1]`, "needs more than 100000 steps"},
		"items":     {`{"items":{"type":"integer"}}`, `[` + strings.Repeat(`1,`, 300_000) + `1]`, "needs more than 100000 steps"},
		"exponent":  {`{"type":"object","properties":{"a":{"type":"number","minimum":0}}}`, `{"a":1e9999999}`, "it has a number beyond 5000 digits or an exponent beyond 5000"},
		"exponents": {`{"items":{"multipleOf":0.1}}`, `[` + strings.Repeat(`1e4999,`, 100_000) + `1]`, "needs more than 100000 steps"},
		"unique":    {`{"uniqueItems":true}`, unique, "it has a number beyond 5000 digits"},
		"const":     {`{"const":{"a":[1e5]}}`, `{"a":[1e-77777777777777777777]}`, "it has a number beyond 5000 digits"},
		"huge":      {`{}`, `"` + strings.Repeat(long, 9) + `"`, "it has 9437186 bytes, and at most 8388608 are checked"},
		"elsewhere": {`{"properties":{"a":{"minimum":0}}}`, `{"b":1e9999999}`, ""},
		"fine":      {`{"items":{"type":"object","properties":{"a":{"enum":[1,2]}}}}`, `[` + strings.Repeat(`{"a":2},`, 20_000) + `{}]`, ""},
	} {
		err := check(t, c.schema, c.answer)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A panic of the library is an error of the check.
func TestCheckPanics(t *testing.T) {
	s := &Schema{compiled: &jsonschema.Schema{DraftVersion: 2020, Items2020: &jsonschema.Schema{DraftVersion: 2020, Pattern: nilPattern{}}}}
	if err := s.Check([]any{"secret"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

type nilPattern struct{}

func (nilPattern) String() string            { return "" }
func (nilPattern) MatchString(s string) bool { panic(s) }

// The budget knows each field of the library's schemas that has subschemas or takes time; a new field needs a thought.
func TestBudgetKnowsTheLibrary(t *testing.T) {
	known := map[string]bool{}
	for _, name := range strings.Fields(`Ref RecursiveRef DynamicRef Not AllOf AnyOf OneOf If Then Else PropertyNames Properties PatternProperties
		AdditionalProperties Dependencies DependentSchemas UnevaluatedProperties Contains Items AdditionalItems PrefixItems Items2020 UnevaluatedItems
		ContentSchema Default Examples Const Extensions`) {
		known[name] = true
	}
	for field := range reflect.TypeFor[jsonschema.Schema]().Fields() {
		kind := field.Type.String()
		if field.IsExported() && !known[field.Name] && (strings.Contains(kind, "*jsonschema.Schema") || strings.Contains(kind, "interface")) {
			t.Errorf("the budget does not know %s %s", field.Name, kind)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for name, text := range map[string]string{"nested 49": nested(49), "wide 1900": wide(1900), "doubling": doubling(11, `{"type":"object"}`)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Compile([]byte(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The largest checks within the budget.
func BenchmarkCheck(b *testing.B) {
	const tree = `{"anyOf":[{"properties":{"l":{"$ref":"#"},"o":{"const":1}}},{"properties":{"l":{"$ref":"#"},"o":{"const":2}}},{"properties":{"l":{"$ref":"#"},"o":{"const":3}}}]}`
	for name, c := range map[string]struct{ schema, answer string }{
		"tree":    {tree, strings.Repeat(`{"o":4,"l":`, 7) + "1" + strings.Repeat("}", 7)},
		"pattern": {`{"pattern":"^(a|b|ab){20}c$"}`, `"` + strings.Repeat("a", 100_000) + `"`},
		"numbers": {`{"items":{"multipleOf":0.1}}`, `[` + strings.Repeat(`1e4999,`, 750) + `1]`},
		"items":   {`{"items":{"type":"object","properties":{"a":{"enum":[1,2]}}}}`, `[` + strings.Repeat(`{"a":2},`, 30_000) + `{}]`},
	} {
		b.Run(name, func(b *testing.B) {
			s, err := CompileArguments(json.RawMessage(c.schema))
			if err != nil {
				b.Fatal(err)
			}
			value, err := Parse(c.answer)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := s.Check(value); err != nil && strings.Contains(err.Error(), "steps") {
					b.Fatal(err)
				}
			}
		})
	}
}
