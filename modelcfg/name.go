package modelcfg

import "strings"

// maxName is far longer than any real tag, and short enough for shells and file names.
const maxName = 255

// nameRule completes "it must be …" in messages.
const nameRule = `an Ollama tag such as "llama3.2:3b" or "hf.co/user/repo:Q4_K_M", or a name such as "custom:my-model": ` +
	"letters, digits and . _ - / : @, at most 255 of them, no spaces"

// validName reports whether s is a valid model name for Ollama: [host[:port]/][namespace/]model[:tag].
func validName(s string) bool {
	if s == "" || len(s) > maxName || strings.Contains(s, "//") || strings.Contains(s, "::") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
		if !letter && !strings.ContainsRune(".-/:@", rune(c)) {
			return false
		}
		// A leading dash could be taken for a flag, and a trailing colon means an empty tag.
		if !letter && (i == 0 || i == len(s)-1) {
			return false
		}
	}
	return true
}
