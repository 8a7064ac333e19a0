package doctor

import (
	"slices"
	"strings"
)

// environment checks variables that would mislead the user. It never shows a value: addresses hold passwords.
func (r *report) environment(c Config) {
	const check = "environment"
	var proxies, ignored []string
	for _, v := range c.Environ {
		name, value, _ := strings.Cut(v, "=")
		switch upper := strings.ToUpper(name); {
		case value == "":
		case upper == "HTTP_PROXY" || upper == "HTTPS_PROXY" || upper == "ALL_PROXY":
			proxies = append(proxies, name)
		case strings.HasPrefix(name, "OLLAMA_") && name != "OLLAMA_MODELS":
			ignored = append(ignored, name)
		}
	}
	slices.Sort(proxies)
	slices.Sort(ignored)
	if len(proxies) > 0 {
		r.ok(check, "%s: only pulls use a proxy", strings.Join(proxies, ", "))
	}
	if len(ignored) > 0 {
		r.warn(check, "use the flags of run instead, such as --slots, --context, --kv-cache-type and --ollama-url", "a run does not follow %s", strings.Join(ignored, ", "))
	}
	if len(proxies)+len(ignored) == 0 {
		r.ok(check, "no variable that a run would not follow")
	}
}
