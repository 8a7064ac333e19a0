package ollama

import (
	"regexp"
	"strconv"
)

// counted matches the number of prompt tokens in the new generation's message about a prompt that is too long. The
// error object has the number as n_prompt_tokens, too, but only if it arrives complete.
var counted = regexp.MustCompile(`request \((\d+) tokens\)`)

// countedTokens returns the number of prompt tokens in the error message, or 0 if it has none.
func countedTokens(message string) int {
	m := counted.FindStringSubmatch(message)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // digits only; 0 if out of range
	return n
}
