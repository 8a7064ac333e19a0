package prompt

// Tags of the optional fields in the hash of a request. A field's tag and value follow the other fields, and only if
// the row has the field. So the key of a row without the field did not change when the field was introduced. A tag is
// longer than seven bytes, so that no earlier value can look like a tag.
const (
	tagOptions   = "fluxworker/1/options"
	tagAnswers   = "fluxworker/1/n"
	tagLogprobs  = "fluxworker/1/logprobs"
	tagThinking  = "fluxworker/1/thinking"
	tagStructure = "fluxworker/1/structure"
	tagTools     = "fluxworker/1/tools"
	tagTurn      = "fluxworker/1/turn" // fields of a message beyond text and images
	tagRaw       = "fluxworker/1/raw"  // a completion; an early version did not continue the prompt literally
	tagEmbedding = "fluxworker/1/embedding"
)

// optionalFields hashes everything beyond messages and OpenAI's sampling options.
func (h *hasher) optionalFields(r *Request) {
	if s := &r.Sampling; s.MinP != 0 || s.RepeatPenalty != 0 || s.RepeatLastN != nil {
		h.text(tagOptions)
		h.float64(s.MinP)
		h.float64(s.RepeatPenalty)
		h.optional(s.RepeatLastN)
	}
	if r.N != 0 {
		h.text(tagAnswers)
		h.uint64(uint64(r.N))
	}
	if r.Logprobs != nil {
		h.text(tagLogprobs)
		h.uint64(uint64(*r.Logprobs))
	}
	if r.Thinking != NoThinking {
		h.text(tagThinking)
		h.text(string(r.Thinking))
	}
	if r.Structure != nil {
		h.text(tagStructure)
		h.text(string(r.Structure.Schema))
	}
	h.tools(r)
	if r.Endpoint == Completions {
		h.text(tagRaw)
		h.flag(r.Echo)
		h.text(r.Suffix)
	}
	h.embedding(r.Embedding)
}

func (h *hasher) tools(r *Request) {
	if len(r.Tools) > 0 {
		h.text(tagTools)
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
		h.text(tagTurn)
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
	h.text(tagEmbedding)
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
