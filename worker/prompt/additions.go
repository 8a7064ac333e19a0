package prompt

// What a request may ask for beyond messages and OpenAI's sampling options is hashed behind the rest, each thing under a
// mark and only where it is asked for, so that no key of a row without it has changed since there is such a thing. A mark
// has more than seven bytes: nothing that comes before reads as one.
const (
	markOptions   = "fluxworker/1/options"
	markAnswers   = "fluxworker/1/n"
	markLogprobs  = "fluxworker/1/logprobs"
	markThinking  = "fluxworker/1/thinking"
	markStructure = "fluxworker/1/structure"
	markTools     = "fluxworker/1/tools"
	markTurn      = "fluxworker/1/turn" // what a message has beyond text and images
	markRaw       = "fluxworker/1/raw"  // a completion: the prompt is continued as it stands, which was not always so
	markEmbedding = "fluxworker/1/embedding"
)

// additions adds what is asked for beyond messages and OpenAI's sampling options.
func (h *hasher) additions(r *Request) {
	if s := &r.Sampling; s.MinP != 0 || s.RepeatPenalty != 0 || s.RepeatLastN != nil {
		h.text(markOptions)
		h.float64(s.MinP)
		h.float64(s.RepeatPenalty)
		h.optional(s.RepeatLastN)
	}
	if r.N != 0 {
		h.text(markAnswers)
		h.uint64(uint64(r.N))
	}
	if r.Logprobs != nil {
		h.text(markLogprobs)
		h.uint64(uint64(*r.Logprobs))
	}
	if r.Thinking != NoThinking {
		h.text(markThinking)
		h.text(string(r.Thinking))
	}
	if r.Structure != nil {
		h.text(markStructure)
		h.text(string(r.Structure.Schema))
	}
	h.tools(r)
	if r.Endpoint == Completions {
		h.text(markRaw)
		h.flag(r.Echo)
		h.text(r.Suffix)
	}
	h.embedding(r.Embedding)
}

func (h *hasher) tools(r *Request) {
	if len(r.Tools) > 0 {
		h.text(markTools)
		h.uint64(uint64(len(r.Tools)))
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		h.text(t.Name)
		h.text(t.Description)
		h.text(string(t.Parameters))
		h.flag(t.Strict)
	}
	for i := range r.Messages {
		m := &r.Messages[i]
		if m.Reasoning == "" && len(m.ToolCalls) == 0 && m.ToolCallID == "" {
			continue
		}
		h.text(markTurn)
		h.uint64(uint64(i))
		h.text(m.Reasoning)
		h.text(m.ToolCallID)
		h.uint64(uint64(len(m.ToolCalls)))
		for _, call := range m.ToolCalls {
			h.text(call.ID)
			h.text(call.Name)
			h.text(string(call.Arguments))
		}
	}
}

func (h *hasher) embedding(e *Embedding) {
	if e == nil {
		return
	}
	h.text(markEmbedding)
	h.uint64(uint64(len(e.Input)))
	for _, text := range e.Input {
		h.text(text)
	}
	h.uint64(uint64(e.Dimensions))
	h.flag(e.Base64)
}

func (h *hasher) optional(v *int) {
	if v == nil {
		h.uint64(0)
		return
	}
	h.uint64(1)
	h.uint64(uint64(*v))
}

func (h *hasher) flag(v bool) {
	if v {
		h.uint64(1)
	} else {
		h.uint64(0)
	}
}
