package prompt

// Embedding is the request of a row of /v1/embeddings.
type Embedding struct {
	Input []string `json:"input"` // at least one text; no text is empty
	// Dimensions is the requested length of each vector; 0 means the model's own.
	Dimensions int `json:"dimensions,omitempty"`
	// Base64 requests each vector as the base64 of its little-endian 32-bit floats.
	Base64 bool `json:"base64,omitempty"`
}

// maxInputs is the largest number of texts in a row, as in OpenAI's API.
const maxInputs = 2048

func decodeEmbedding(o *object) (*Embedding, *rowError) {
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
			return nil, rowErrorf(CodeInvalidValue, fieldEncodingFormat.String(), "is %s; it must be float or base64", word(name))
		}
	}
	return e, nil
}

func decodeInput(value []byte) ([]string, *rowError) {
	texts, p := decodeStrings(value, stringsRule{empty: "is empty", max: maxInputs, many: "texts", other: func(value []byte) *rowError {
		if value[0] == '[' || isNumber(value) {
			return rowErrorf(CodeUnsupported, "", "holds tokens instead of text; tokens differ between models, and Ollama accepts only text")
		}
		return nil
	}})
	if p == nil && len(texts) == 0 {
		return nil, rowErrorf(CodeInvalidValue, "", "is an empty list")
	}
	return texts, p
}
