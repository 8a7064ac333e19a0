package prompt

import (
	"encoding/json"
	"strings"

	"fluxworker/worker/parquet"
)

// Fields returns the members that the schema gives to an object, in its order, with the types of their columns in a table; nil for
// another schema.
func (s *Structure) Fields() (fields []parquet.Column) {
	if s.Schema == nil {
		return nil
	}
	EachMember(s.Schema, func(name, value []byte) {
		if string(name) == `"properties"` && value[0] == '{' {
			EachMember(value, func(quoted, member []byte) {
				fields = append(fields, parquet.Column{Name: unquote(quoted), Type: s.typeOf(member, maxReferences)})
			})
		}
	})
	return fields
}

// maxReferences bounds a chain of references, which may be a circle.
const maxReferences = 8

// typeOf returns the type of the column for the values of a schema. A value that may be null counts without the null; values of
// several types make a column of JSON.
func (s *Structure) typeOf(schema json.RawMessage, references int) parquet.Type {
	var k struct {
		Type  json.RawMessage   `json:"type"`
		Enum  []json.RawMessage `json:"enum"`
		Const json.RawMessage   `json:"const"`
		Ref   string            `json:"$ref"`
		AnyOf []json.RawMessage `json:"anyOf"`
		OneOf []json.RawMessage `json:"oneOf"`
		AllOf []json.RawMessage `json:"allOf"`
	}
	if json.Unmarshal(schema, &k) != nil { // true or false
		return parquet.JSON
	}
	var types parquet.Types
	switch {
	case k.Type != nil:
		var names []string
		if json.Unmarshal(k.Type, &names) != nil {
			names = []string{unquote(k.Type)}
		}
		for _, name := range names {
			types.Add(map[string]parquet.Type{
				"string": parquet.Text, "integer": parquet.Integer, "number": parquet.Number, "boolean": parquet.Boolean, "null": "", "array": parquet.JSON, "object": parquet.JSON,
			}[name])
		}
	case len(k.Enum) > 0:
		for _, value := range k.Enum {
			types.Add(parquet.TypeOf(value))
		}
	case k.Const != nil:
		types.Add(parquet.TypeOf(k.Const))
	case k.Ref != "" && references > 0:
		return s.typeOf(s.definition(k.Ref), references-1)
	default:
		for _, list := range [][]json.RawMessage{k.AnyOf, k.OneOf, k.AllOf} {
			for _, one := range list {
				var null struct {
					Type string `json:"type"`
				}
				if json.Unmarshal(one, &null) == nil && null.Type == "null" {
					continue
				}
				types.Add(s.typeOf(one, references))
			}
		}
		if types.Type() == "" {
			return parquet.JSON
		}
	}
	return types.Type()
}

// definition returns the schema that a reference as "#/$defs/name" names; nil for another reference.
func (s *Structure) definition(ref string) (found json.RawMessage) {
	path, local := strings.CutPrefix(ref, "#/")
	if !local {
		return nil
	}
	found = s.Schema
	for name := range strings.SplitSeq(path, "/") {
		var members map[string]json.RawMessage
		if json.Unmarshal(found, &members) != nil {
			return nil
		}
		found = members[name]
	}
	return found
}
