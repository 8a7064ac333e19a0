package schema

import (
	"encoding/json"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	// maxSteps is the budget of a check. A step is a subschema that is applied to a value, and takes the library about
	// a microsecond.
	maxSteps = 100_000
	// maxAnswerDigits limits a number in an answer. The largest number of most programs has 309 digits.
	maxAnswerDigits = 5_000
)

// budget counts the steps of a check. It walks over schema and value as the library does, but the library cannot be
// stopped, and takes a hundred times as long.
type budget struct {
	left    int
	tooLong bool // a number has too many digits
}

// within returns an error if a check would need more than the budget.
func within(s *jsonschema.Schema, value any) error {
	b := budget{left: maxSteps}
	b.value(s, value)
	switch {
	case b.tooLong:
		return fmt.Errorf("it has a number beyond %d digits or an exponent beyond %d, which is not checked", maxAnswerDigits, maxAnswerDigits)
	case b.left < 0:
		return fmt.Errorf("its check against the schema needs more than %d steps; simplify the schema", maxSteps)
	}
	return nil
}

// value counts the steps of the check of a value, at least as many as the library takes: the library leaves
// alternatives out once it knows the result.
func (b *budget) value(s *jsonschema.Schema, value any) {
	b.left--
	if b.left < 0 || b.tooLong || s.Bool != nil {
		return
	}
	if s.Const != nil {
		b.equal(1, value)
	}
	if s.Enum != nil {
		b.equal(len(s.Enum.Values), value)
	}
	for _, sub := range sameValue(s) {
		b.value(sub, value)
	}
	switch v := value.(type) {
	case map[string]any:
		b.object(s, v)
	case []any:
		b.list(s, v)
	case string:
		b.text(s, v)
	case json.Number:
		b.number(v)
	}
}

func (b *budget) object(s *jsonschema.Schema, object map[string]any) {
	b.left -= len(s.Required)/10 + len(object)/10
	additional, _ := s.AdditionalProperties.(*jsonschema.Schema)
	for name, value := range object {
		if b.left < 0 {
			return
		}
		sub, known := s.Properties[name]
		if known {
			b.value(sub, value)
		}
		for pattern, sub := range s.PatternProperties {
			b.match(pattern, name)
			b.value(sub, value)
		}
		if !known && additional != nil {
			b.value(additional, value)
		}
		if s.PropertyNames != nil {
			b.value(s.PropertyNames, name)
		}
		if s.UnevaluatedProperties != nil {
			b.value(s.UnevaluatedProperties, value)
		}
	}
}

func (b *budget) list(s *jsonschema.Schema, list []any) {
	if s.UniqueItems {
		b.equal(min(len(list), 20), list)
	}
	items, _ := s.Items.(*jsonschema.Schema)
	tuple, _ := s.Items.([]*jsonschema.Schema)
	additional, _ := s.AdditionalItems.(*jsonschema.Schema)
	for i, value := range list {
		if b.left < 0 {
			return
		}
		if i < len(s.PrefixItems) {
			b.value(s.PrefixItems[i], value)
		}
		if i < len(tuple) {
			b.value(tuple[i], value)
		}
		for _, sub := range []*jsonschema.Schema{items, additional, s.Items2020, s.Contains, s.UnevaluatedItems} {
			if sub != nil {
				b.value(sub, value)
			}
		}
	}
}

func (b *budget) text(s *jsonschema.Schema, text string) {
	b.left -= len(text) / 10_000
	if s.Pattern != nil {
		b.match(s.Pattern, text)
	}
}

// match counts the steps of a regular expression, which grow with its size and the text.
func (b *budget) match(re jsonschema.Regexp, text string) {
	if p, ok := re.(*checkedPattern); ok {
		b.left -= len(text) / 100 * p.size
	}
}

func (b *budget) number(n json.Number) {
	d := digits(string(n))
	b.tooLong = b.tooLong || d > maxAnswerDigits
	b.left -= d / 40
}

// equal counts the steps of comparing a value with others.
func (b *budget) equal(others int, value any) {
	if b.left < 0 {
		return
	}
	switch v := value.(type) {
	case map[string]any:
		for _, child := range v {
			b.equal(others, child)
		}
	case []any:
		for _, child := range v {
			b.equal(others, child)
		}
	case json.Number:
		b.number(v)
		b.left -= others
		return
	}
	b.left -= others / 10
}
