package record

import (
	"strings"
	"testing"
)

// The sentence mentions a longer context only where a longer context is possible.
func TestContextChoiceMentionsLongRows(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]ContextChoice{
		"about 3 need more and are answered last, with a longer context":      {Context: 512, Limit: 8192, Longer: 3},
		"it is the longest that the model has, and about 3 seem to need more": {Context: 8192, Limit: 8192, Longer: 3},
		"the longest 0; it is the longest that the model has":                 {Context: 8192, Limit: 8192},
		"half of about 9 rows need at most 0 tokens, the longest 0":           {Context: 512, Limit: 8192, Rows: 9},
	} {
		c.Because = "the model has"
		if got := c.String(); !strings.HasSuffix(got, want) {
			t.Errorf("%q, want %q at the end", got, want)
		}
	}
}
