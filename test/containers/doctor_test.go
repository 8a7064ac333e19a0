package containers

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// doctor tries a server in a container, and it works inside of a container, too, with the Ollama of the image.
func TestDoctorAndContainers(t *testing.T) {
	need(t)
	for _, tt := range []struct {
		name, program string // the command before "doctor"
		ollama        string
		code          int
		want          []string
	}{
		{"server in a container", program, "apptainer exec " + folder + " ollama", 0, []string{
			"OK +Ollama .*tried on the CPU", "OK +isolation .*namespaces of its own", "OK +models +" + models, "OK +model +bigram is there"}},
		{"all in a container", "apptainer exec --bind /mnt " + folder + " " + program, "ollama", 0, []string{
			"OK +Ollama .*tried on the CPU", "(OK|WARN) +isolation ", "OK +models +" + models, "OK +model +bigram is there"}},
		{"an image that does not exist", program, "apptainer exec /mnt/none.sif ollama", 1, []string{
			`FAIL +Ollama .*exit status 255.*/mnt/none\.sif`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := newJob(t, tt.ollama)
			j.Own()
			argv := append(strings.Fields(tt.program), "doctor", "--device", "cpu", "--model", "bigram", "--ollama-models", models, "--ollama", tt.ollama)
			cmd := exec.Command(argv[0], argv[1:]...)
			cmd.Dir, cmd.Env, cmd.SysProcAttr = j.Dir, append(os.Environ(), j.Env...), nobody
			out, err := cmd.CombinedOutput()
			for _, line := range tt.want {
				if !regexp.MustCompile(`(?m)^` + line).Match(out) {
					t.Errorf("no line %q in the report (%v):\n%s", line, err, out)
				}
			}
			if got := cmd.ProcessState.ExitCode(); got != tt.code {
				t.Errorf("exit code %d, want %d", got, tt.code)
			}
			checkUntouched(t)
		})
	}
}
