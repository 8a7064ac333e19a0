package slurm

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"

	"fluxworker/test/build"
)

// programs lists the programs that a cluster needs, each with its Debian package.
var programs = map[string]string{"munged": "munge", "slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client"}

// need skips the test where the cluster cannot run, and fails it in CI. It returns the machine's host name.
func need(t testing.TB, o Options) string {
	t.Helper()
	if os.Getuid() != 0 {
		build.Missing(t, "a SLURM cluster needs root, since slurmd starts jobs as other users")
	}
	for program, pkg := range programs {
		if _, err := exec.LookPath(program); err != nil {
			build.Missing(t, "a SLURM cluster needs %s of Debian's package %s: run \"make slurm\"", program, pkg)
		}
	}
	if o.needsCgroups() {
		if err := cgroupsWork(); err != nil {
			build.Missing(t, "proctrack/cgroup does not work here, Proctrack: \"linuxproc\" would: %v", err)
		}
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := net.LookupHost(host); err != nil {
		build.Missing(t, "the machine's own name does not resolve: add \"127.0.0.1 %s\" to /etc/hosts: %v", host, err)
	}
	return host
}

// cgroupsWork tries what proctrack/cgroup does first. With cgroup v1 that is a group of the freezer. With v2 alone,
// SLURM wants systemd to give it a part of the tree, which is more than a test should ask of a machine.
func cgroupsWork() error {
	const freezer = "/sys/fs/cgroup/freezer"
	dir, err := os.MkdirTemp(freezer, "fluxworker-")
	if err != nil {
		return fmt.Errorf("no group can be made in cgroup v1's freezer: %w", err)
	}
	return os.Remove(dir)
}
