package prompt

// Effort is how much a model is to think before it answers; the zero value is not at all. A model that only thinks or
// does not takes each of the others for thinking.
type Effort string

// The efforts, in Ollama's words.
const (
	NoThinking     Effort = ""
	LowThinking    Effort = "low"
	MediumThinking Effort = "medium"
	HighThinking   Effort = "high"
	MaxThinking    Effort = "max"
)

// decodeEffort reads reasoning_effort. OpenAI has names between and beyond Ollama's, which mean the nearest that thinks.
func decodeEffort(o *object) (Effort, *problem) {
	value := o.get(fieldReasoningEffort)
	if value == nil {
		return NoThinking, nil
	}
	if value[0] != '"' {
		return NoThinking, wrongType(value, true, "a string").under(fieldReasoningEffort.String())
	}
	switch name := unquote(value); name {
	case "none":
		return NoThinking, nil
	case "minimal", "low":
		return LowThinking, nil
	case "medium":
		return MediumThinking, nil
	case "high":
		return HighThinking, nil
	case "xhigh", "max":
		return MaxThinking, nil
	default:
		return NoThinking, problemf(CodeInvalidValue, fieldReasoningEffort.String(),
			"is %s; it must be none, minimal, low, medium, high, xhigh or max", word(name))
	}
}

// mostLogprobs is how many alternatives to each token the servers name.
const mostLogprobs = 20

// decodeLogprobs reads how many alternatives to each token of a chat's answer are to be named with their probabilities; nil
// asks for no probabilities.
func decodeLogprobs(o *object) (*int, *problem) {
	wanted, p := decodeBool(o, fieldLogprobs)
	if p != nil {
		return nil, p
	}
	top := 0
	if value := o.get(fieldTopLogprobs); value != nil {
		v, p := integer(value, 0, mostLogprobs)
		if p != nil {
			return nil, p.under(fieldTopLogprobs.String())
		}
		if !wanted {
			return nil, problemf(CodeInvalidValue, fieldTopLogprobs.String(), "is %d, but logprobs is not true; set it, or remove top_logprobs", v)
		}
		top = int(v)
	}
	if !wanted {
		return nil, nil
	}
	return &top, nil
}

// mostAnswers is how many answers a row may ask for, as in OpenAI's API.
const mostAnswers = 128

// decodeAnswers reads how many answers are wanted; 0 is one.
func decodeAnswers(o *object) (int, *problem) {
	value := o.get(fieldN)
	if value == nil {
		return 0, nil
	}
	v, p := integer(value, 1, mostAnswers)
	switch {
	case p != nil:
		return 0, p.under(fieldN.String())
	case v == 1:
		return 0, nil
	}
	return int(v), nil
}
