package containers

import (
	"os"
	"strings"
	"testing"

	"fluxworker/test/build"
)

// A setuid Apptainer has no rights in the namespaces of an isolated server, so the server starts without them, with a warning:
// at once where the command shows it, otherwise after a first start in vain. Its option --userns avoids setuid.
func TestSetuidApptainer(t *testing.T) {
	const apptainer = "/opt/apptainer/bin/apptainer"
	if _, err := os.Stat(withSetuid); err != nil {
		build.Missing(t, "no setuid Apptainer: run make apptainer-setuid, which takes 5 minutes")
	}
	script := "#!/bin/sh\nexec " + apptainer + " exec " + folder + " ollama \"$@\"\n"
	for _, tt := range []struct {
		name, command, isolate string
		isolated               bool
		warning                string // "" where no warning is expected
		code                   int
	}{
		{"by its name", apptainer + " exec " + folder + " ollama", "auto", false, "starter-suid is setuid", 0},
		{"always isolated", apptainer + " exec " + folder + " ollama", "always", false, "add its option --userns", 82},
		{"never isolated", apptainer + " exec " + folder + " ollama", "never", false, "", 0},
		{"user namespace", apptainer + " exec --userns " + folder + " ollama", "auto", true, "", 0},
		{"file", apptainer + " exec " + file + " ollama", "auto", false, "starter-suid is setuid", 0},
		{"no environment", apptainer + " exec --cleanenv " + folder + " ollama", "auto", false, "starter-suid is setuid", 0},
		{"script", "./script", "auto", false, "once more", 0},
		{"behind other programs", "env X=1 nice -n 1 " + apptainer + " exec " + folder + " ollama", "auto", false, "once more", 0},
		{"script always isolated", "./script", "always", false, "it was isolated", 82},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := newJob(t, tt.command, "--ollama-models", models, "--isolate", tt.isolate)
			if err := writeFile(j.Path("script"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			j.Own()
			j.Run(tt.code)
			text := j.Stderr.String()
			if !strings.Contains(text, tt.warning) || tt.warning == "" && strings.Contains(text, "WRN the server is not isolated") {
				t.Errorf("the warning %q is missing, or there is one too many", tt.warning)
			}
			if tt.code == 0 {
				j.CheckRows(rows)
				if s := j.Manifest().Plan.Servers[0]; s.Isolated != tt.isolated {
					t.Errorf("isolated: %t, want %t", s.Isolated, tt.isolated)
				}
			}
			checkUntouched(t)
		})
	}
}
