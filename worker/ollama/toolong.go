package ollama

import "regexp"

// counted matches the number of prompt tokens in the new generation's message about a prompt that is too long. The
// error object has the number as n_prompt_tokens, too, but only if it arrives complete.
var counted = regexp.MustCompile(`request \((\d+) tokens\)`)

// countedTokens returns the number of prompt tokens in the error message, or 0 if it has none
// or an impossible one.
func countedTokens(message string) int {
	m := counted.FindStringSubmatch(message)
	if m == nil {
		return 0
	}
	return int(possibleCount(m[1]))
}
