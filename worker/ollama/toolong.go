package ollama

import (
	"regexp"
	"strconv"
)

// counted is how the new generation says how many tokens a prompt has that is too long. Its error object has the number as
// n_prompt_tokens as well, but only where it comes through whole.
var counted = regexp.MustCompile(`request \((\d+) tokens\)`)

// countedTokens is how many tokens a prompt has, by the message that refuses it; 0 where it does not say.
func countedTokens(message string) int {
	m := counted.FindStringSubmatch(message)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // digits; one that is too large is none
	return n
}
