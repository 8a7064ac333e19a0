package engines

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"fluxworker/test/build"
	"fluxworker/test/fakenvml"
	"fluxworker/test/harness"
)

// doctor starts the real Ollama, reads the real NVML library, and finds what is wrong on a machine whose driver shows a GPU that
// the server does not find.
func TestDoctor(t *testing.T) {
	t.Parallel()
	type finding struct{ Check, Verdict, Text string }
	doctor := func(t *testing.T, code int, env []string, args ...string) map[string]finding {
		t.Helper()
		cmd := exec.Command(build.UnderTest(t), append([]string{"doctor", "--json"}, args...)...)
		cmd.Env = append(append(os.Environ(), "TMPDIR="+t.TempDir()), env...)
		out, _ := cmd.Output()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("exit code %d, want %d:\n%s", got, code, out)
		}
		var all []finding
		if err := json.Unmarshal(out, &all); err != nil {
			t.Fatal(err)
		}
		found := make(map[string]finding)
		for _, f := range all {
			found[f.Check] = f
		}
		return found
	}
	check := func(t *testing.T, f finding, verdict, text string) {
		t.Helper()
		if f.Verdict != verdict || !regexp.MustCompile(text).MatchString(f.Text) {
			t.Errorf("%s is %s: %s; want %s: %s", f.Check, f.Verdict, f.Text, verdict, text)
		}
	}
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		server := []string{"--ollama", g.Ollama, "--ollama-models", g.Models}
		cpu := doctor(t, 0, nil, append(server, "--device", "cpu", "--model", "bigram")...)
		check(t, cpu["Ollama"], "OK", `^0\.\d+\.\d+, whose .* computes, tried on the CPU$`)
		check(t, cpu["isolation"], "OK", "namespaces of its own")
		check(t, cpu["model"], "OK", "^bigram is there$")
		check(t, cpu["models"], "OK", g.Models)

		env, _ := fakenvml.Env(t, fakenvml.Build(t), harness.GPUs(1, "used_mib=40000"))
		gpu := doctor(t, 1, env, server...)
		check(t, gpu["GPU"], "WARN", `^NVIDIA A100-SXM4-80GB \(GPU-0.*\), .* of 80.0 GiB free, .*: another process uses the GPU$`)
		check(t, gpu["driver"], "OK", `^550\.54\.15, asked through nvml$`)
		check(t, gpu["Ollama"], "FAIL", "the driver shows a GPU, but the server found none")
	})
}
