package record

import "fmt"

// ContextChoice says how a context was chosen, in tokens and rows.
type ContextChoice struct {
	Context int    `json:"context"`
	Limit   int    `json:"longest_context"` // that is possible
	Because string `json:"longest_because"` // "the model has" or "the memory allows"
	Rows    int64  `json:"rows"`            // about, by those that were looked at
	Longer  int64  `json:"rows_longer"`     // of them, those that need more than Context
	Half    int    `json:"half_need"`       // what half of them need at most, prompt and answer together
	Most    int    `json:"most_needed"`     // what the longest needs
	// Start and Slope estimate the tokens of a prompt from its weight; see worker/tokens.
	Start float64 `json:"tokens_start"`
	Slope float64 `json:"tokens_per_weight"`
	// Counted is how many answers have corrected them.
	Counted int64 `json:"answers_counted"`
}

// String says it in a sentence.
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
