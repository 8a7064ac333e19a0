package gpu

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// environ holds "NAME=value" strings, as os.Environ returns them.
type environ []string

// get returns the first value, as getenv does.
func (e environ) get(name string) (value string, ok bool) {
	for _, kv := range e {
		if k, v, found := strings.Cut(kv, "="); found && k == name {
			return v, true
		}
	}
	return "", false
}

func (e environ) has(name string) bool {
	v, _ := e.get(name)
	return strings.TrimSpace(v) != ""
}

// slurmGPUs is SLURM's information on the job's GPUs, from a variable other than CUDA_VISIBLE_DEVICES.
type slurmGPUs struct {
	name    string // name of the variable; empty without a variable
	value   string
	indices []int // node-wide indices; empty if only the count is known
	count   int
}

// slurm reads the variables of a SLURM job; inJob is false outside a job.
func (e environ) slurm() (g slurmGPUs, inJob bool) {
	if !e.has("SLURM_JOB_ID") && !e.has("SLURM_JOBID") {
		return slurmGPUs{}, false
	}
	for _, name := range []string{"SLURM_STEP_GPUS", "SLURM_JOB_GPUS"} { // the step's GPUs are a part of the job's
		if name == "SLURM_STEP_GPUS" && e.inherited() {
			continue
		}
		if value, _ := e.get(name); strings.TrimSpace(value) != "" {
			indices, ok := intList(value)
			if !ok {
				continue // an unknown form of a newer SLURM; the count may still help
			}
			return slurmGPUs{name: name, value: value, indices: indices, count: len(indices)}, true
		}
	}
	value, _ := e.get("SLURM_GPUS_ON_NODE")
	if count, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && count > 0 {
		return slurmGPUs{name: "SLURM_GPUS_ON_NODE", value: value, count: count}, true
	}
	return slurmGPUs{}, true
}

// inherited reports whether SLURM_STEP_GPUS belongs to another job: sbatch inside a step passes on its variables. SLURM
// then sets or unsets SLURM_JOB_GPUS and SLURM_GPUS_ON_NODE, but not SLURM_STEP_GPUS.
func (e environ) inherited() bool {
	if !e.has("SLURM_JOB_GPUS") {
		return !e.has("SLURM_GPUS_ON_NODE") && !e.has("CUDA_VISIBLE_DEVICES")
	}
	step, stepOK := intList(trimmed(e.get("SLURM_STEP_GPUS")))
	job, jobOK := intList(trimmed(e.get("SLURM_JOB_GPUS")))
	return stepOK && jobOK && slices.ContainsFunc(step, func(i int) bool { return !slices.Contains(job, i) })
}

// intList parses "0,2-3".
func intList(s string) ([]int, bool) {
	const maxDevices = 1024 // per node; a larger range is invalid
	var list []int
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, ranged := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.Atoi(lo)
		to := from
		if err == nil && ranged {
			to, err = strconv.Atoi(hi)
		}
		if err != nil || from < 0 || to < from || to >= maxDevices || len(list) >= maxDevices {
			return nil, false
		}
		for i := from; i <= to; i++ {
			list = append(list, i)
		}
	}
	return list, true
}

// slurmList handles a job that has GPUs but no CUDA_VISIBLE_DEVICES: the site does not set it, or the script unset it.
// If this process can open only as many devices as the job has, cgroups have already selected them. Otherwise SLURM's
// indices, which are node-wide, select the devices. A count alone cannot select devices, and a guess could take another
// job's GPU.
func (n node) slurmList(g slurmGPUs) (Allocation, error) {
	a := Allocation{From: g.name}
	seen := 0
	for _, c := range n.open() {
		seen += max(1, len(slices.DeleteFunc(slices.Clone(c.instances), func(d Device) bool { return d.NoPermission })))
	}
	if seen <= g.count {
		for _, c := range n.open() {
			a.takeAll(c)
		}
		return a, nil
	}
	unclear := fmt.Errorf("%w: %s=%s does not identify this job's devices among the %d of the node: set CUDA_VISIBLE_DEVICES to their UUIDs",
		ErrNone, g.name, g.value, seen)
	if len(g.indices) == 0 || n.hasMIG() { // SLURM's indices count a MIG instance as a device
		return a, unclear
	}
	taken := map[int]bool{}
	for _, i := range g.indices {
		if i >= len(n.cards) || taken[i] {
			return a, unclear
		}
		taken[i] = true
		a.takeAll(n.cards[i])
	}
	a.Warnings = append(a.Warnings, fmt.Sprintf("CUDA_VISIBLE_DEVICES is unset; %s=%s was read as the node's GPUs in PCI bus order", g.name, g.value))
	return a, nil
}
