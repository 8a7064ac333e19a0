package slurm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// gpuMajor is a device number that the kernel leaves for local use (Documentation/admin-guide/devices.txt).
const gpuMajor = 240

// writeConf writes the cluster's files and makes its devices. The file names are SLURM's own.
func (c *Cluster) writeConf(host string, ports []int) error {
	for _, d := range []string{"etc", "run", "log", "state", "spool"} {
		if err := os.MkdirAll(c.path(d), 0o755); err != nil {
			return err
		}
	}
	var gres, nodes strings.Builder
	for i, n := range c.Nodes {
		if err := os.MkdirAll(c.path("spool", n), 0o755); err != nil {
			return err
		}
		has := ""
		if c.options.GPUs > 0 {
			files, err := c.makeGPUs(n, i)
			if err != nil {
				return err
			}
			fmt.Fprintf(&gres, "NodeName=%s Name=gpu File=%s\n", n, files)
			has = fmt.Sprintf(" Gres=gpu:%d", c.options.GPUs)
		}
		fmt.Fprintf(&nodes, "NodeName=%s NodeHostname=%s NodeAddr=127.0.0.1 Port=%d CPUs=%d RealMemory=%d%s State=UNKNOWN\n",
			n, n, ports[i+1], c.options.CPUs, c.options.MemoryMB, has)
	}
	for name, text := range map[string]string{
		"slurm.conf":  c.slurmConf(host, ports[0], nodes.String()),
		"cgroup.conf": c.cgroupConf(),
		"gres.conf":   gres.String(),
	} {
		if err := os.WriteFile(c.path("etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// makeGPUs makes the node's devices and returns them as gres.conf names them. A plain file would do for counting, but
// SLURM sets CUDA_VISIBLE_DEVICES for character devices only.
func (c *Cluster) makeGPUs(node string, i int) (files string, err error) {
	dir := c.path("dev", node)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for g := range c.options.GPUs {
		file := filepath.Join(dir, fmt.Sprintf("nvidia%d", g))
		if err := unix.Mknod(file, unix.S_IFCHR|0o666, int(unix.Mkdev(gpuMajor, uint32(i*16+g)))); err != nil {
			return "", fmt.Errorf("make device %s: %w", file, err)
		}
	}
	if c.options.GPUs == 1 {
		return dir + "/nvidia0", nil
	}
	return fmt.Sprintf("%s/nvidia[0-%d]", dir, c.options.GPUs-1), nil
}

func (c *Cluster) slurmConf(host string, port int, nodes string) string {
	task, gresTypes := "task/none", ""
	if c.options.ConstrainDevices || c.options.ConstrainMemory {
		task = "task/cgroup"
	}
	if c.options.GPUs > 0 {
		gresTypes = "GresTypes=gpu"
	}
	return fmt.Sprintf(`ClusterName=%[1]s
SlurmctldHost=%[2]s(127.0.0.1)
SlurmctldPort=%[3]d
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# cred_expire is also how long a requeued job waits before it may start again
AuthInfo=socket=%[4]s/run/munge.socket,cred_expire=5
StateSaveLocation=%[4]s/state
SlurmdSpoolDir=%[4]s/spool/%%n
SlurmctldPidFile=%[4]s/run/slurmctld.pid
SlurmdPidFile=%[4]s/run/slurmd.%%n.pid
SlurmctldLogFile=%[4]s/log/slurmctld.log
SlurmdLogFile=%[4]s/log/slurmd.%%n.log
SlurmctldDebug=verbose
SlurmdDebug=verbose
ProctrackType=proctrack/%[5]s
TaskPlugin=%[6]s
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
# claim more hardware than the machine has
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
%[7]s
# quick reactions
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1,bf_continue
KillWait=%[8]d
# a busy machine may need long to end the processes of a step; after this time SLURM would drain the node
UnkillableStepTimeout=280
MinJobAge=600
CompleteWait=0
ReturnToService=2
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
%[9]s
%[10]s
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=10 State=UP PriorityTier=10 PreemptMode=OFF
PartitionName=low Nodes=ALL MaxTime=INFINITE DefaultTime=10 State=UP PriorityTier=1 GraceTime=0 PreemptMode=REQUEUE
PartitionName=graceful Nodes=ALL MaxTime=INFINITE DefaultTime=10 State=UP PriorityTier=1 GraceTime=%[11]d PreemptMode=REQUEUE
PartitionName=high Nodes=ALL MaxTime=INFINITE DefaultTime=10 State=UP PriorityTier=100 PreemptMode=OFF
`, c.tag, host, port, c.dir, c.options.Proctrack, task, gresTypes, c.options.KillWait,
		strings.Join(c.options.Conf, "\n"), nodes, c.options.GraceSeconds)
}

func (c *Cluster) cgroupConf() string {
	if !c.options.needsCgroups() {
		return ""
	}
	yesNo := map[bool]string{true: "yes", false: "no"}
	return fmt.Sprintf("CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nConstrainDevices=%s\nConstrainRAMSpace=%s\n",
		yesNo[c.options.ConstrainDevices], yesNo[c.options.ConstrainMemory])
}
