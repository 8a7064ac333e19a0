package result

import (
	"bytes"
	"encoding/json"
	"time"
)

// itemStart is how every item of a document for LLMFlux begins.
const itemStart = `{"input":`

// appendLLMFlux writes a row as LLMFlux does: the whole input, metadata, and either output or error.
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

// timestamp is how LLMFlux spells the time of an answer: in UTC, without saying so.
const timestamp = "2006-01-02T15:04:05"

// metadataOf is what is known of the answer, and the row's own metadata, which count for more. An error line carries no time.
func metadataOf(r documentRow) ([]byte, error) {
	members := []member{{"model", nil}, {"timestamp", nil}}
	if r.model != "" {
		members[0].value = r.model
	}
	if r.answered {
		var body struct {
			Model   string `json:"model"`
			Created int64  `json:"created"`
		}
		if err := json.Unmarshal(r.body, &body); err != nil {
			return nil, err
		}
		if body.Model != "" {
			members[0].value = body.Model
		}
		if body.Created != 0 {
			members[1].value = time.Unix(body.Created, 0).UTC().Format(timestamp)
		}
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

// rowMetadata is the object that the row has under metadata; nil where it has none.
func rowMetadata(input []byte) json.RawMessage {
	if !bytes.Contains(input, []byte("metadata")) { // which spares most rows the decoding; a name in escapes is nobody's
		return nil
	}
	var row struct {
		Metadata json.RawMessage `json:"metadata"`
	}
	if err := json.Unmarshal(input, &row); err != nil || len(row.Metadata) == 0 || row.Metadata[0] != '{' {
		return nil
	}
	return row.Metadata
}

// member is a name of an object with its value: a string, a bool or nil.
type member struct {
	name  string
	value any
}

// object is an object of members in their order.
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

// encoded is a string, a bool or nil as JSON. Prompts hold code and markup, so < and & stay as they are.
func encoded(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("encode a string: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
