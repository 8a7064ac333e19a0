package result

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"fluxworker/worker/prompt"
)

// itemStart is the start of every item in an LLMFlux document.
const itemStart = `{"input":`

// appendLLMFlux writes a row in LLMFlux's format: the complete input, metadata, and either output or error.
func appendLLMFlux(b *bytes.Buffer, r documentRow) error {
	b.WriteString(itemStart)
	input := r.input
	if input == nil {
		input = object(member{"custom_id", r.customID})
	}
	b.Write(input)
	metadata, err := metadataOf(r)
	if err != nil {
		return err
	}
	b.WriteString(`,"metadata":`)
	b.Write(metadata)
	if r.answered {
		b.WriteString(`,"output":`)
		b.Write(r.body)
	} else {
		b.WriteString(`,"error":`)
		b.Write(encoded(r.failure))
	}
	b.WriteByte('}')
	return nil
}

// timestamp is LLMFlux's format for the time of an answer: UTC without a zone.
const timestamp = "2006-01-02T15:04:05"

// metadataOf returns the metadata of an answer, merged with the row's own metadata, which take precedence. An error
// line has no time.
func metadataOf(r documentRow) ([]byte, error) {
	members := []member{{"model", nil}, {"timestamp", nil}}
	if r.model != "" {
		members[0].value = r.model
	}
	if r.answered {
		prompt.EachMember(r.body, func(name, value []byte) {
			switch string(name) {
			case `"model"`:
				members[0].value = json.RawMessage(value)
			case `"created"`:
				if seconds, err := strconv.ParseInt(string(value), 10, 64); err == nil {
					members[1].value = time.Unix(seconds, 0).UTC().Format(timestamp)
				}
			}
		})
	} else {
		members = append(members, member{"error", true})
	}
	own := rowMetadata(r.input)
	if len(own) == 0 {
		return object(members...), nil
	}
	var names map[string]json.RawMessage
	if err := json.Unmarshal(own, &names); err != nil {
		return nil, err
	}
	kept := members[:0]
	for _, m := range members {
		if _, taken := names[m.name]; !taken {
			kept = append(kept, m)
		}
	}
	switch {
	case len(kept) == 0:
		return own, nil
	case len(names) == 0:
		return object(kept...), nil
	}
	b := object(kept...)
	b[len(b)-1] = ','
	return append(b, own[1:]...), nil
}

// rowMetadata returns the object in the row's field metadata, or nil.
func rowMetadata(input []byte) json.RawMessage {
	if input == nil {
		return nil
	}
	var metadata json.RawMessage
	prompt.EachMember(input, func(name, value []byte) {
		if string(name) == `"metadata"` && isObject(value) {
			metadata = value
		}
	})
	return metadata
}

// member is a member of a JSON object. The value is a string, a bool, JSON or nil.
type member struct {
	name  string
	value any
}

// object returns a JSON object with the members in the given order.
func object(members ...member) []byte {
	b := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, encoded(m.name)...), ':'), encoded(m.value)...)
	}
	return append(b, '}')
}

// encoded returns a string, a bool, JSON or nil as JSON. It does not escape < and &, which are frequent in code and
// markup.
func encoded(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("encode a string: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
