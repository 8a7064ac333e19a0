package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/build"
	"fluxworker/test/fakenvml"
	"fluxworker/test/slurm"
)

// clusterUser is a newcomer on the login node of a real cluster: a folder with the job scripts, copied as they are, and settings
// in the environment, which sbatch hands on to the jobs.
type clusterUser struct {
	*newcomer
	c *slurm.Cluster
}

// newClusterUser makes one who has n rows to ask. The answers come slowly until hurry is called.
func newClusterUser(t *testing.T, c *slurm.Cluster, g generation, rows int) *clusterUser {
	t.Helper()
	u := &clusterUser{newNewcomer(t, g), c}
	u.writeRows(rows)
	scripts, err := filepath.Glob("../../scripts/sbatch/*")
	if err != nil || len(scripts) < 8 {
		t.Fatalf("scripts/sbatch has %q (%v)", scripts, err)
	}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err == nil {
			err = os.WriteFile(u.path(filepath.Base(script)), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	for _, step := range []error{err, os.Mkdir(u.path("tmp"), 0o700), os.Mkdir(u.path("seen"), 0o700), os.WriteFile(u.path("slow"), nil, 0o600)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	u.set("TMPDIR="+u.path("tmp"), "FLUXWORKER_CONTEXT=512", "FLUXWORKER_BATCH_SIZE=1",
		"FLUXWORKER_OLLAMA="+strings.Join([]string{self, frontCommand, g.ollama}, " "), "FRONT_SEEN="+u.path("seen"), "FRONT_SLOW="+u.path("slow"))
	return u
}

// set sets variables of the user's shell; the last value counts.
func (u *clusterUser) set(vars ...string) { u.env = append(u.env, vars...) }

// seesGPUs makes the user's jobs find n GPUs on a node, of which SLURM gives them some.
func (u *clusterUser) seesGPUs(n int) {
	u.t.Helper()
	link := u.path("bin/fluxworker")
	err := os.Remove(link)
	if err == nil {
		err = os.Symlink(build.Fluxworker(u.t), link)
	}
	if err != nil {
		u.t.Fatal(err)
	}
	env, _ := fakenvml.Env(u.t, fakenvml.Build(u.t), gpus(n, ""))
	u.set(env[len(env)-2:]...)
	u.set("FLUXWORKER_DEVICE=auto", "FRONT_GPU=1")
}

// hurry makes the answers come as fast as they can, for jobs that run, too.
func (u *clusterUser) hurry() {
	u.t.Helper()
	if err := os.Remove(u.path("slow")); err != nil {
		u.t.Fatal(err)
	}
}

// sh runs a command of the user, wants its exit code, and returns its standard output.
func (u *clusterUser) sh(want int, name string, args ...string) string {
	u.t.Helper()
	cmd := u.c.Command(u.t, u.dir, "env", append([]string{name}, args...)...) // found in the user's PATH
	cmd.Env = append(cmd.Env, u.env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != want {
		u.t.Fatalf("%s %q: %v, want exit code %d\n%s%s", name, args, err, want, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// submit submits a script and returns the job's id.
func (u *clusterUser) submit(args ...string) string {
	u.t.Helper()
	return u.sh(0, "sbatch", append([]string{"--parsable"}, args...)...)
}

// printed is what all jobs of the user have printed so far.
func (u *clusterUser) printed() string {
	files, _ := filepath.Glob(u.path("slurm-*.out"))
	var b strings.Builder
	for _, f := range files {
		text, _ := os.ReadFile(f)
		fmt.Fprintf(&b, "--- %s\n%s", filepath.Base(f), text)
	}
	return b.String()
}

// midRun waits until the job has answered some of its rows.
func (u *clusterUser) midRun() {
	u.t.Helper()
	u.await("answers", func() bool {
		files, _ := filepath.Glob(u.path("results*.jsonl"))
		lines := 0
		for _, f := range files {
			text, _ := os.ReadFile(f)
			lines += strings.Count(string(text), "\n")
		}
		return lines >= 2
	})
}

// gone waits until nothing of the user's runs on the nodes any more.
func (u *clusterUser) gone() {
	u.t.Helper()
	u.await("the end of every process of the job", func() bool { return len(u.processes()) == 0 })
}
