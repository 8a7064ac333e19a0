package schema

import "github.com/santhosh-tekuri/jsonschema/v6"

// maxExpansion limits the subschemas that apply to one value. Twenty lines of references that double give a million.
const maxExpansion = 10_000

// expansion counts the subschemas that apply to one value. The zero value is ready to use.
type expansion struct {
	counts map[*jsonschema.Schema]int
}

// of returns the largest count below a schema, at most maxExpansion+1. A reference to itself counts as endless.
func (e *expansion) of(root *jsonschema.Schema) int {
	e.counts = make(map[*jsonschema.Schema]int)
	most := 0
	queue, seen := []*jsonschema.Schema{root}, map[*jsonschema.Schema]bool{root: true}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		most = max(most, e.at(s))
		for _, next := range [][]*jsonschema.Schema{sameValue(s), otherValues(s)} {
			for _, sub := range next {
				if !seen[sub] {
					seen[sub] = true
					queue = append(queue, sub)
				}
			}
		}
	}
	return most
}

func (e *expansion) at(s *jsonschema.Schema) int {
	if count, known := e.counts[s]; known {
		return count
	}
	e.counts[s] = maxExpansion + 1 // until it is counted: a cycle
	count := 1
	for _, sub := range sameValue(s) {
		count = min(count+e.at(sub), maxExpansion+1)
	}
	e.counts[s] = count
	return count
}

// sameValue returns the subschemas that apply to the same value as s.
func sameValue(s *jsonschema.Schema) []*jsonschema.Schema {
	all := make([]*jsonschema.Schema, 0, 4)
	for _, sub := range []*jsonschema.Schema{s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else} {
		if sub != nil {
			all = append(all, sub)
		}
	}
	if s.DynamicRef != nil {
		all = append(all, s.DynamicRef.Ref)
	}
	all = append(append(append(all, s.AllOf...), s.AnyOf...), s.OneOf...)
	for _, sub := range s.DependentSchemas {
		all = append(all, sub)
	}
	for _, dependency := range s.Dependencies {
		if sub, ok := dependency.(*jsonschema.Schema); ok {
			all = append(all, sub)
		}
	}
	return all
}

// otherValues returns the subschemas of s that apply to the members or items of the value of s.
func otherValues(s *jsonschema.Schema) []*jsonschema.Schema {
	var all []*jsonschema.Schema
	for _, sub := range []*jsonschema.Schema{s.PropertyNames, s.UnevaluatedProperties, s.Contains, s.Items2020, s.UnevaluatedItems, s.ContentSchema} {
		if sub != nil {
			all = append(all, sub)
		}
	}
	for _, some := range []any{s.AdditionalProperties, s.Items, s.AdditionalItems} {
		switch sub := some.(type) {
		case *jsonschema.Schema:
			all = append(all, sub)
		case []*jsonschema.Schema:
			all = append(all, sub...)
		}
	}
	all = append(all, s.PrefixItems...)
	for _, sub := range s.Properties {
		all = append(all, sub)
	}
	for _, sub := range s.PatternProperties {
		all = append(all, sub)
	}
	return all
}
