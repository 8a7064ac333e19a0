package prompt

// decodeCompletion reads what only a row of /v1/completions has.
func decodeCompletion(o *object, r *Request) (p *problem) {
	if value := o.get(fieldLogprobs); value != nil {
		top := 0
		if p = decodeInt(o, fieldLogprobs, 0, &top); p == nil && top > mostLogprobs {
			p = problemf(CodeInvalidValue, fieldLogprobs.String(), "is %d; the servers name at most %d", top, mostLogprobs)
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
		return problemf(CodeUnsupported, fieldEcho.String(), "is true beside logprobs; Ollama tells no probabilities of a prompt")
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
		p = problemf(CodeUnsupported, fieldBestOf.String(), "is %d; all answers are written, so only as many as n are supported", best)
	}
	return p
}
