package gpu

import (
	"strconv"
	"strings"
)

// binding describes how srun assigned GPUs to the tasks of a step on one node.
type binding struct {
	// how is the value of srun's --gpu-bind: "none", "single:2", "map_gpu:0,1" or "mask_gpu:0x3,0xc"; or "per_task:1"
	// for --gpus-per-task. Empty means that every task sees all GPUs.
	how string
	// gpus is the number of the step's GPUs on this node; 0 if unknown.
	gpus int
	// part is true if this task sees fewer.
	part bool
}

// binding reads the binding from the variables. srun's own options are only in SLURMD_TRES_BIND, as observed on a 22.05
// cluster; the other variables are options of the job or set by the user. CUDA_VISIBLE_DEVICES does not help: with
// ConstrainDevices every task sees an index 0, each on another card.
func (e environ) binding() binding {
	var b binding
	b.gpus, _ = strconv.Atoi(trimmed(e.get("SLURM_GPUS_ON_NODE")))
	if mine, ok := intList(trimmed(e.get("SLURM_STEP_GPUS"))); ok {
		b.part = len(mine) < b.gpus
	}
	for _, name := range []string{"SLURMD_TRES_BIND", "SLURM_TRES_BIND"} {
		for part := range strings.SplitSeq(trimmed(e.get(name)), ";") {
			if how, ok := strings.CutPrefix(strings.TrimPrefix(strings.TrimSpace(part), "gres/"), "gpu:"); ok && b.how == "" {
				b.how = how
			}
		}
	}
	perGPU := trimmed(e.get("SLURM_NTASKS_PER_GPU"))
	perTask, _ := e.get("SLURM_TRES_PER_TASK")
	switch {
	case b.how != "":
	case e.has("SLURM_GPU_BIND"):
		b.how = trimmed(e.get("SLURM_GPU_BIND"))
	case perGPU != "":
		b.how = "single:" + perGPU
	case e.has("SLURM_GPUS_PER_TASK"), strings.Contains(perTask, "gpu"):
		b.how = "per_task:"
	}
	b.how = strings.TrimPrefix(b.how, "verbose,")
	return b
}

// sharers returns how many of the node's tasks see the same GPUs as task local, and the position of task local among
// them.
func (b binding) sharers(local, tasks int) (rank, sharers int) {
	mine := b.seenBy(local)
	for l := range tasks {
		if b.seenBy(l) == mine {
			if l < local {
				rank++
			}
			sharers++
		}
	}
	return rank, sharers
}

// seenBy returns a key for the GPUs of a task. Tasks with the same key see the same GPUs.
func (b binding) seenBy(local int) string {
	own := "own " + strconv.Itoa(local)
	kind, rest, _ := strings.Cut(b.how, ":")
	switch kind {
	case "", "none":
		return "all"
	case "per_task":
		return own
	case "single": // the next GPU after this many tasks; the first GPU follows the last
		per, err := strconv.Atoi(rest)
		if err != nil || per < 1 {
			return own
		}
		at := local / per
		if b.gpus > 0 {
			at %= b.gpus
		}
		return strconv.Itoa(at)
	case "map_gpu", "mask_gpu":
		if list := repeated(rest); len(list) > 0 {
			return list[local%len(list)]
		}
		return own
	}
	// "closest" depends on the hardware topology, and newer versions of SLURM may have more values. A task that sees
	// all GPUs shares them with all tasks.
	if b.part {
		return own
	}
	return "all"
}

// repeated parses "0*2,1" as 0, 0, 1.
func repeated(s string) []string {
	const maxTasks = 4096 // per node
	var list []string
	for part := range strings.SplitSeq(s, ",") {
		value, times, _ := strings.Cut(strings.TrimSpace(part), "*")
		n := 1
		if times != "" {
			n, _ = strconv.Atoi(times)
		}
		for range min(n, maxTasks-len(list)) {
			list = append(list, value)
		}
	}
	return list
}
