package main

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"
)

// longSystem is the length in bytes from which a system message on the command line is worth a warning: it is more than an
// instruction that everybody may read.
const longSystem = 500

// secretLike matches texts that look like keys and passwords.
var secretLike = regexp.MustCompile(`(?i)(pass(word|wd|phrase)?|secret|token|api[ _-]?key|credentials?)["']?\s*[:=]\s*["']?\S{6,}|bearer +\S{16,}` +
	`|\b(sk|pk|hf|ghp|gho|glpat|xox[abp])[-_][a-z0-9_-]{16,}|\bAKIA[A-Z0-9]{16}\b|-----BEGIN `)

// warnOfSecrets warns of texts on the command line that every user of the node can read and should not.
func warnOfSecrets(log zerolog.Logger, flags *pflag.FlagSet) {
	typed := func(name string) string {
		if f := flags.Lookup(name); f != nil && originOf(f) == "--"+name {
			return f.Value.String()
		}
		return ""
	}
	for _, name := range []string{"ollama-url", "openai-url"} {
		if u, err := url.Parse(typed(name)); err == nil && (u.User != nil || u.RawQuery != "") {
			log.Warn().Msg("--" + name + " holds a user, a password or a query, which every user of this node can read on the command line; set " + variable(name) + " instead")
		}
	}
	if strings.Contains(typed("server-command"), "--api-key") {
		log.Warn().Msg("--server-command holds a key, which every user of this node can read, and which the log and the manifest show; give it to the server in a variable, such as VLLM_API_KEY, or in a file")
	}
	const way = ", and every user of this node can read a command line; write --system @FILE, set FLUXWORKER_SYSTEM, or put the text into the YAML of --model-config"
	switch system := typed("system"); {
	case secretLike.MatchString(system):
		log.Warn().Msg("--system looks as if it holds a password or a key" + way)
	case len(system) > longSystem:
		log.Warn().Int("bytes", len(system)).Msg("--system is long" + way)
	}
}
