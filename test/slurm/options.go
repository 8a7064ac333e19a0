package slurm

// Options describes the cluster that a test needs. The zero value is two nodes of eight CPUs, without GPUs, that track
// processes by cgroups as real clusters do.
type Options struct {
	// Nodes is the number of nodes; 0 means 2.
	Nodes int
	// GPUs is the number of fake GPUs of each node: character devices that no driver serves, so that opening one gives
	// ENXIO, or EPERM where ConstrainDevices forbids it.
	GPUs int
	// CPUs and MemoryMB describe each node to SLURM; 0 means 8 CPUs and 8000 MB. The machine may have less.
	CPUs, MemoryMB int
	// Proctrack names the way in which SLURM finds a job's processes: "cgroup" (the default, what real clusters use), "linuxproc" or
	// "pgid". Under cgroup, processes below the batch shell get no SIGTERM, only the SIGKILL at the end.
	Proctrack string
	// ConstrainDevices lets a job open its own GPUs only, and ConstrainMemory holds it to its --mem; both by cgroups.
	ConstrainDevices, ConstrainMemory bool
	// KillWait is the time in seconds from SIGTERM to SIGKILL; 0 means 5.
	KillWait int
	// GraceSeconds is the time that a job of partition "graceful" has from the start of its preemption; 0 means 3.
	GraceSeconds int
	// Conf holds more lines of slurm.conf, which come before the nodes.
	Conf []string
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		value *int
		zero  int
	}{{&o.Nodes, 2}, {&o.CPUs, 8}, {&o.MemoryMB, 8000}, {&o.KillWait, 5}, {&o.GraceSeconds, 3}} {
		if *d.value == 0 {
			*d.value = d.zero
		}
	}
	if o.Proctrack == "" {
		o.Proctrack = "cgroup"
	}
	return o
}

// needsCgroups reports whether the cluster needs control groups.
func (o Options) needsCgroups() bool {
	return o.Proctrack == "cgroup" || o.ConstrainDevices || o.ConstrainMemory
}
