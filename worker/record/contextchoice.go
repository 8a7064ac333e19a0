package record

import "fmt"

// ContextChoice records the choice of a context length. Contexts and needs are in tokens; a need is prompt and answer together.
type ContextChoice struct {
	Context int    `json:"context"`
	Limit   int    `json:"longest_context"` // the longest possible context
	Because string `json:"longest_because"` // the cause of Limit: "the model has" or "the memory allows"
	Rows    int64  `json:"rows"`            // estimated from the sample
	Longer  int64  `json:"rows_longer"`     // rows that need more than Context
	Half    int    `json:"half_need"`       // half of the rows need at most this
	Most    int    `json:"most_needed"`     // the need of the longest row
	// Start and Slope are the line of the estimate: the tokens of a prompt are Start + Slope·weight; see worker/tokens.
	Start float64 `json:"tokens_start"`
	Slope float64 `json:"tokens_per_weight"`
	// Counted is the number of answers that have corrected the line.
	Counted int64 `json:"answers_counted"`
}

// String returns the choice as a sentence.
func (c ContextChoice) String() string {
	s := fmt.Sprintf("half of about %d rows need at most %d tokens, the longest %d", c.Rows, c.Half, c.Most)
	switch {
	case c.Context < c.Limit && c.Longer > 0:
		s += fmt.Sprintf("; about %d need more and are answered last, with a longer context", c.Longer)
	case c.Context == c.Limit:
		s += fmt.Sprintf("; it is the longest that %s", c.Because)
		if c.Longer > 0 {
			s += fmt.Sprintf(", and about %d seem to need more", c.Longer)
		}
	}
	return s
}
