package engines

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/build"
	"fluxworker/test/harness"
)

// A real server fetches the model into a folder of its own; a second pull finds it there, and a run answers with it.
func TestPull(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		r := harness.NewRegistry(t, g)
		models := filepath.Join(t.TempDir(), "models")
		pull := func(name string) (out, log string, code int) {
			cmd := exec.Command(build.Fluxworker(t), "pull", "--model", r.Model(name), "--ollama", g.Ollama, "--ollama-models", models)
			cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+r.Authority)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
		}
		if out, log, code := pull("bigram"); code != 0 || !strings.Contains(out, "(5.7 MiB) was fetched into "+models) || !strings.Contains(log, "pull: success") {
			t.Fatalf("exit code %d, %q\n%s", code, out, log)
		}
		if out, log, code := pull("bigram"); code != 0 || !strings.Contains(out, "is already in "+models) {
			t.Errorf("again: exit code %d, %q\n%s", code, out, log)
		}
		if manifests, weights := r.Fetched(); manifests != 1 || weights != 1 {
			t.Errorf("the manifest was fetched %d times and the weights %d times, want once", manifests, weights)
		}
		if _, log, code := pull("other"); code != 85 || !strings.Contains(log, "the registry does not have it") {
			t.Errorf("a model that is nowhere: exit code %d, want 85\n%s", code, log)
		}
		j := g.NewJob(t, "--model", r.Model("bigram"), "--ollama-models", models)
		j.WriteRows(20)
		j.Run(0)
		j.CheckRows(20)
	})
}
