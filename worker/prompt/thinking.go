package prompt

// Effort is the amount of reasoning before the answer; the zero value means none. A model with only on and off treats
// every other value as on.
type Effort string

// Values of Effort, in Ollama's spelling.
const (
	NoThinking     Effort = ""
	LowThinking    Effort = "low"
	MediumThinking Effort = "medium"
	HighThinking   Effort = "high"
	MaxThinking    Effort = "max"
)

// decodeEffort reads reasoning_effort. OpenAI's API has more values; each maps to Ollama's nearest value with
// reasoning.
func decodeEffort(o *object) (Effort, *rowError) {
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
		return NoThinking, rowErrorf(CodeInvalidValue, fieldReasoningEffort.String(),
			"is %s; it must be none, minimal, low, medium, high, xhigh or max", word(name))
	}
}

// maxLogprobs is the servers' limit of alternatives per token.
const maxLogprobs = 20

// decodeLogprobs reads how many alternatives per token a chat row asks for; nil means no log probabilities.
func decodeLogprobs(o *object) (*int, *rowError) {
	wanted, p := decodeBool(o, fieldLogprobs)
	if p != nil {
		return nil, p
	}
	top := 0
	if value := o.get(fieldTopLogprobs); value != nil {
		v, p := integer(value, 0, maxLogprobs)
		if p != nil {
			return nil, p.under(fieldTopLogprobs.String())
		}
		if !wanted {
			return nil, rowErrorf(CodeInvalidValue, fieldTopLogprobs.String(), "is %d, but logprobs is not true; set it, or remove top_logprobs", v)
		}
		top = int(v)
	}
	if !wanted {
		return nil, nil
	}
	return &top, nil
}

// maxAnswers is the largest number of answers per row, as in OpenAI's API.
const maxAnswers = 128

// decodeAnswers reads the number of answers; 0 means one.
func decodeAnswers(o *object) (int, *rowError) {
	value := o.get(fieldN)
	if value == nil {
		return 0, nil
	}
	v, p := integer(value, 1, maxAnswers)
	switch {
	case p != nil:
		return 0, p.under(fieldN.String())
	case v == 1:
		return 0, nil
	}
	return int(v), nil
}
