package prompt

// Embedding is what a row of /v1/embeddings asks for.
type Embedding struct {
	Input []string `json:"input"` // texts, none of them empty
	// Dimensions is how many numbers of each vector are wanted; 0 is all.
	Dimensions int `json:"dimensions,omitempty"`
	// Base64 writes each vector as the base64 of its little-endian 32-bit floats.
	Base64 bool `json:"base64,omitempty"`
}

// mostInputs is how many texts a row may have, as in OpenAI's API.
const mostInputs = 2048

func decodeEmbedding(o *object) (*Embedding, *problem) {
	input, p := decodeInput(o.get(fieldInput))
	if p != nil {
		return nil, p.under(fieldInput.String())
	}
	e := &Embedding{Input: input}
	if p = decodeInt(o, fieldDimensions, 1, &e.Dimensions); p != nil {
		return nil, p
	}
	switch value := o.get(fieldEncodingFormat); {
	case value == nil:
	case value[0] != '"':
		return nil, wrongType(value, true, "float or base64").under(fieldEncodingFormat.String())
	default:
		switch name := unquote(value); name {
		case "float":
		case "base64":
			e.Base64 = true
		default:
			return nil, problemf(CodeInvalidValue, fieldEncodingFormat.String(), "is %s; it must be float or base64", word(name))
		}
	}
	return e, nil
}

func decodeInput(value []byte) ([]string, *problem) {
	texts, p := decodeStrings(value, stringsRule{empty: "is empty", most: mostInputs, many: "texts", other: func(value []byte) *problem {
		if value[0] == '[' || isNumber(value) {
			return problemf(CodeUnsupported, "", "is of tokens; every model has its own, and Ollama takes only text")
		}
		return nil
	}})
	if p == nil && len(texts) == 0 {
		return nil, problemf(CodeInvalidValue, "", "is an empty list")
	}
	return texts, p
}
