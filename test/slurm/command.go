package slurm

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"fluxworker/test/await"
)

// waitLimit bounds every wait for the cluster: far above what an idle machine needs.
const waitLimit = await.Patience

// Env is the environment of a login node of this cluster: the test's own without any variable of SLURM, and the
// cluster's address. All that runs in the cluster must have it, since the janitor knows the cluster's processes by it.
func (c *Cluster) Env() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if prefix, _, found := strings.Cut(name, "_"); found {
			switch prefix {
			case "SLURM", "SLURMD", "SBATCH", "SRUN", "SALLOC", "SQUEUE", "SINFO", "SCANCEL", "SCONTROL":
				continue
			}
		}
		env = append(env, kv)
	}
	return append(env, "SLURM_CONF="+c.path("etc/slurm.conf"))
}

// Command prepares a command on the login node, in folder dir ("" is the test's own). It is killed at the latest after
// two minutes, or with the test.
func (c *Cluster) Command(t testing.TB, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	t.Cleanup(cancel)
	return c.command(ctx, dir, name, args...)
}

func (c *Cluster) command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = c.Env()
	// A grandchild may hold the pipes for good. So does a child that another test is starting, until its exec, which takes
	// seconds on a busy machine.
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// run returns the command's standard output, trimmed, and fails the test where the command fails.
func run(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// Version returns the version of the cluster's SLURM without the patch level, such as "22.05".
func (c *Cluster) Version(t testing.TB) string {
	t.Helper()
	said := run(t, c.Command(t, "", "sbatch", "--version")) // "slurm-wlm 22.05.8"
	_, full, _ := strings.Cut(said, " ")
	parts := strings.SplitN(full, ".", 3)
	if len(parts) != 3 {
		t.Fatalf("sbatch --version prints %q", said)
	}
	return parts[0] + "." + parts[1]
}

// Sbatch submits a script's text, which starts with "#!", from folder dir and returns the job's id. An empty text
// submits what the last arguments name: a script's file, or --wrap. Unless an argument says otherwise, the job's output
// is slurm-<id>.out of dir, as for users.
func (c *Cluster) Sbatch(t testing.TB, dir, script string, args ...string) string {
	t.Helper()
	cmd := c.Command(t, dir, "sbatch", append([]string{"--parsable"}, args...)...)
	if script != "" {
		cmd.Stdin = strings.NewReader(script)
	}
	return run(t, cmd)
}

// Srun runs a step from the login node to its end and returns its standard output. It fails the test if a task fails;
// use Command for one that may.
func (c *Cluster) Srun(t testing.TB, dir string, args ...string) string {
	t.Helper()
	return run(t, c.Command(t, dir, "srun", args...))
}

// Scancel signals or cancels jobs.
func (c *Cluster) Scancel(t testing.TB, args ...string) {
	t.Helper()
	run(t, c.Command(t, "", "scancel", args...))
}

// Scontrol runs scontrol and returns what it prints.
func (c *Cluster) Scontrol(t testing.TB, args ...string) string {
	t.Helper()
	return run(t, c.Command(t, "", "scontrol", args...))
}

// ExpireNow puts the job's time limit to this instant: SLURM looks at it every 30 seconds and then ends the job with a
// real TIMEOUT. It leaves out the minutes that a job with --time=1 would take. SLURM counts whole seconds and refuses an end in
// the second of the start, so a job that has just begun is given time.
func (c *Cluster) ExpireNow(t testing.TB, job string) {
	t.Helper()
	await.Until(t, "SLURM to accept the new end of job "+job, func() bool {
		return c.Command(t, "", "scontrol", "update", "JobId="+job, "EndTime=now").Run() == nil
	})
}
