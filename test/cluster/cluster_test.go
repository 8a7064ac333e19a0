package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/await"
	"fluxworker/test/fakenvml"
	"fluxworker/test/harness"
	"fluxworker/test/slurm"
)

// clusterUser is a newcomer on the login node of a real cluster: a folder with the job scripts, copied as they are, and settings
// in the environment, which sbatch hands on to the jobs.
type clusterUser struct {
	*harness.Newcomer
	c *slurm.Cluster
}

// newClusterUser makes a user who has n rows to ask. The answers come slowly, and the last ten of a server not at all, until
// hurry is called.
func newClusterUser(t *testing.T, c *slurm.Cluster, g harness.Generation, rows int) *clusterUser {
	t.Helper()
	u := &clusterUser{harness.NewNewcomer(t, g), c}
	u.WriteRows(rows)
	scripts, err := filepath.Glob("../../scripts/sbatch/*")
	if err != nil || len(scripts) < 8 {
		t.Fatalf("scripts/sbatch has %q (%v)", scripts, err)
	}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err == nil {
			err = os.WriteFile(u.Path(filepath.Base(script)), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []error{os.Mkdir(u.Path("tmp"), 0o700), os.WriteFile(u.Path("slow"), nil, 0o600)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	u.set("TMPDIR="+u.Path("tmp"), "FLUXWORKER_CONTEXT=512", "FLUXWORKER_BATCH_SIZE=1",
		"FRONT_SLOW="+u.Path("slow"))
	u.set(u.FrontEnv(g)...)
	u.Hold(rows - 10) // however long it takes until something happens to a job, rows are left
	return u
}

// set sets variables of the user's shell; the last value counts.
func (u *clusterUser) set(vars ...string) { u.Env = append(u.Env, vars...) }

// seesGPUs makes the user's jobs find n GPUs on a node, of which SLURM gives them some.
func (u *clusterUser) seesGPUs(n int) {
	u.T.Helper()
	env, _ := fakenvml.Env(u.T, fakenvml.Build(u.T), harness.GPUs(n, ""))
	u.set(env[len(env)-2:]...)
	u.set("FLUXWORKER_DEVICE=auto", "FRONT_GPU=1")
}

// hurry makes the answers come as fast as they can, for jobs that run, too.
func (u *clusterUser) hurry() {
	u.T.Helper()
	if err := os.Remove(u.Path("slow")); err != nil {
		u.T.Fatal(err)
	}
	u.Release()
}

// sh runs a command of the user, wants its exit code, and returns its standard output.
func (u *clusterUser) sh(want int, name string, args ...string) string {
	u.T.Helper()
	cmd := u.c.Command(u.T, u.Dir, "env", append([]string{name}, args...)...) // found in the user's PATH
	cmd.Env = append(cmd.Env, u.Env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != want {
		u.T.Fatalf("%s %q: %v, want exit code %d\n%s%s", name, args, err, want, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// submit submits a script and returns the job's id.
func (u *clusterUser) submit(args ...string) string {
	u.T.Helper()
	return u.sh(0, "sbatch", append([]string{"--parsable"}, args...)...)
}

// printed is what all jobs of the user have printed so far.
func (u *clusterUser) printed() string {
	files, _ := filepath.Glob(u.Path("slurm-*.out"))
	var b strings.Builder
	for _, f := range files {
		text, _ := os.ReadFile(f)
		fmt.Fprintf(&b, "--- %s\n%s", filepath.Base(f), text)
	}
	return b.String()
}

// midRun waits until the job has answered some of its rows.
func (u *clusterUser) midRun() {
	u.T.Helper()
	await.Until(u.T, "answers", func() bool {
		files, _ := filepath.Glob(u.Path("results*.jsonl"))
		lines := 0
		for _, f := range files {
			text, _ := os.ReadFile(f)
			lines += strings.Count(string(text), "\n")
		}
		return lines >= 2
	})
}

// drained ends a job, and lets the servers answer again once so many tasks have said that they take no new rows.
func (u *clusterUser) drained(tasks int, end func()) {
	u.T.Helper()
	end()
	await.Until(u.T, fmt.Sprintf("%d tasks to take no new rows", tasks), func() bool { return strings.Count(u.printed(), "no new rows") >= tasks })
	u.hurry()
}

// gone waits until nothing of the user's runs on the nodes any more.
func (u *clusterUser) gone() {
	u.T.Helper()
	u.AwaitGone()
}
