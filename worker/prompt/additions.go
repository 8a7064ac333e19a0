package prompt

// What a request may ask for beyond messages and OpenAI's sampling options is hashed behind the rest, each thing under a
// mark and only where it is asked for, so that no key of a row without it has changed since there is such a thing. A mark
// has more than seven bytes: nothing that comes before reads as one.
const (
	markOptions = "fluxworker/1/options"
)

// additions adds what is asked for beyond messages and OpenAI's sampling options.
func (h *hasher) additions(r *Request) {
	if s := &r.Sampling; s.MinP != 0 || s.RepeatPenalty != 0 || s.RepeatLastN != nil {
		h.text(markOptions)
		h.float64(s.MinP)
		h.float64(s.RepeatPenalty)
		h.optional(s.RepeatLastN)
	}
}

func (h *hasher) optional(v *int) {
	if v == nil {
		h.uint64(0)
		return
	}
	h.uint64(1)
	h.uint64(uint64(*v))
}
