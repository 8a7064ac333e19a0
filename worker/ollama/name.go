package ollama

import "strings"

// sameModel reports whether two names mean the same model. Ollama leaves out or adds the defaults of a name's parts, and
// does not distinguish capital letters.
func sameModel(a, b string) bool { return strings.EqualFold(canonical(a), canonical(b)) }

// canonical returns a name with all its parts, registry/namespace/model:tag.
func canonical(name string) string {
	if slash := strings.LastIndexByte(name, '/'); !strings.Contains(name[slash+1:], ":") {
		name += ":latest"
	}
	switch strings.Count(name, "/") {
	case 0:
		return "registry.ollama.ai/library/" + name
	case 1:
		return "registry.ollama.ai/" + name
	}
	return name
}
