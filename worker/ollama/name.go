package ollama

import "strings"

// sameModel reports whether two names mean the same model. Ollama omits or adds ":latest".
func sameModel(a, b string) bool { return canonical(a) == canonical(b) }

func canonical(name string) string {
	if slash := strings.LastIndexByte(name, '/'); !strings.Contains(name[slash+1:], ":") {
		return name + ":latest"
	}
	return name
}
