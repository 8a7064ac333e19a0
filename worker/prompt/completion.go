package prompt

// decodeCompletion reads the fields that only a row of /v1/completions has.
func decodeCompletion(o *object, r *Request) (p *rowError) {
	if value := o.get(fieldLogprobs); value != nil {
		top := 0
		if p = decodeInt(o, fieldLogprobs, 0, &top); p == nil && top > maxLogprobs {
			p = rowErrorf(CodeInvalidValue, fieldLogprobs.String(), "is %d; the maximum is %d", top, maxLogprobs)
		}
		if p != nil {
			return p
		}
		r.Logprobs = &top
	}
	if r.Echo, p = decodeBool(o, fieldEcho); p != nil {
		return p
	}
	if r.Echo && r.Logprobs != nil {
		return rowErrorf(CodeUnsupported, fieldEcho.String(), "is true together with logprobs; Ollama returns no probabilities of a prompt")
	}
	switch value := o.get(fieldSuffix); {
	case value == nil:
	case value[0] != '"':
		return wrongType(value, false, "a string").under(fieldSuffix.String())
	default:
		r.Suffix = unquote(value)
	}
	best := max(r.N, 1)
	if p = decodeInt(o, fieldBestOf, 1, &best); p == nil && best != max(r.N, 1) {
		p = rowErrorf(CodeUnsupported, fieldBestOf.String(), "is %d; it must equal n, because all answers are written", best)
	}
	return p
}
