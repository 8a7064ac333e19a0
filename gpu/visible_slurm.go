package gpu

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// environ is "NAME=value" strings, as os.Environ gives them.
type environ []string

// get returns the first value, which is the one that getenv returns too.
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

// slurmGPUs is what SLURM says it gave, by a variable other than CUDA_VISIBLE_DEVICES.
type slurmGPUs struct {
	name    string // the variable; empty where there is none
	value   string
	indices []int // node-wide; empty where only the count is known
	count   int
}

// slurm reads the variables of a SLURM job; inJob is false outside of one.
func (e environ) slurm() (g slurmGPUs, inJob bool) {
	if !e.has("SLURM_JOB_ID") && !e.has("SLURM_JOBID") {
		return slurmGPUs{}, false
	}
	for _, name := range []string{"SLURM_STEP_GPUS", "SLURM_JOB_GPUS"} { // the step's are a part of the job's
		if name == "SLURM_STEP_GPUS" && e.inherited() {
			continue
		}
		if value, _ := e.get(name); strings.TrimSpace(value) != "" {
			indices, ok := intList(value)
			if !ok {
				continue // a form of a newer SLURM; the count may still serve
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

// inherited tells whether SLURM_STEP_GPUS is of another job: sbatch, called inside of a step, hands its variables on,
// and SLURM then sets or unsets SLURM_JOB_GPUS and SLURM_GPUS_ON_NODE, but not that one.
func (e environ) inherited() bool {
	if !e.has("SLURM_JOB_GPUS") {
		return !e.has("SLURM_GPUS_ON_NODE") && !e.has("CUDA_VISIBLE_DEVICES")
	}
	step, stepOK := intList(trimmed(e.get("SLURM_STEP_GPUS")))
	job, jobOK := intList(trimmed(e.get("SLURM_JOB_GPUS")))
	return stepOK && jobOK && slices.ContainsFunc(step, func(i int) bool { return !slices.Contains(job, i) })
}

// intList reads "0,2-3".
func intList(s string) ([]int, bool) {
	const most = 1024 // devices of a node; a wild range is no list
	var list []int
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, ranged := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.Atoi(lo)
		to := from
		if err == nil && ranged {
			to, err = strconv.Atoi(hi)
		}
		if err != nil || from < 0 || to < from || to >= most || len(list) >= most {
			return nil, false
		}
		for i := from; i <= to; i++ {
			list = append(list, i)
		}
	}
	return list, true
}

// slurmList serves a job that has GPUs but no CUDA_VISIBLE_DEVICES: the site does not set it, or the script unset it.
// Where this process can open no more than it was given, cgroups have chosen already. Otherwise SLURM's numbers,
// which are node-wide, choose; a count alone cannot, and another job's GPU must not be taken by a guess.
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
	unclear := fmt.Errorf("%w: %s=%s does not say which of the %d devices here are this job's: set CUDA_VISIBLE_DEVICES to their UUIDs",
		ErrNone, g.name, g.value, seen)
	if len(g.indices) == 0 || n.hasMIG() { // a MIG instance counts as a device in SLURM's numbers
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
