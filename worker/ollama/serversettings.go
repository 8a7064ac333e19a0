package ollama

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	// Both generations print the line as soon as they start: the variables that they read, and what they made of them.
	serverConfig = regexp.MustCompile(`msg="server config" env=("map\[.*\]")`)
	// A value may hold blanks, so a value ends where the next name begins.
	configName = regexp.MustCompile(`(?:^| )([A-Z][A-Z_]{3,}|[a-z]+_proxy):`)
)

// reportedAs maps variables of Settings to their values in the server's report, where the server prints another form.
var reportedAs = map[string]string{
	"OLLAMA_HOST":       "http://127.0.0.1:0",
	"OLLAMA_KEEP_ALIVE": time.Duration(math.MaxInt64).String(), // for ever
	"OLLAMA_DEBUG":      "INFO",
}

// parseConfig returns the settings that a server reports in this line; nil for another line.
func parseConfig(line string) map[string]string {
	m := serverConfig.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	text, err := strconv.Unquote(m[1])
	if err != nil {
		return nil
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "map["), "]")
	config := make(map[string]string)
	names := configName.FindAllStringSubmatchIndex(text, -1)
	for i, at := range names {
		end := len(text)
		if i+1 < len(names) {
			end = names[i+1][0]
		}
		config[text[at[2]:at[3]]] = text[at[1]:end]
	}
	return config
}

// differences lists the settings that the server reports with another value. A variable that the server does not report is no
// difference: versions know different variables.
func differences(settings []string, config map[string]string) []string {
	var list []string
	for _, v := range settings {
		name, want, _ := strings.Cut(v, "=")
		got, reported := config[name]
		if as, other := reportedAs[name]; other {
			want = as
		}
		if reported && want != "" && got != want && !(want == "1" && got == "true") && !(want == "0" && got == "false") {
			list = append(list, fmt.Sprintf("%s is %q, not %q", name, got, want))
		}
	}
	return list
}

// checkSettings compares the server's report with its settings. Error: ErrSettings.
func (s *Server) checkSettings() error {
	s.log.mu.Lock()
	list := differences(s.settings, s.log.config)
	s.log.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	more := ""
	if len(list) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(list)-1)
	}
	return fmt.Errorf("%w: %s%s; the command of --ollama replaces or drops environment variables: remove OLLAMA_ variables and env -i from wrapper scripts, and --env, --env-file and --home from the options of a container, or have the command pass all variables on",
		ErrSettings, list[0], more)
}
