package gpu

import (
	"strconv"
	"strings"
)

// binding is how srun gave GPUs to the tasks of a step on one node.
type binding struct {
	// how is what srun's --gpu-bind takes: "none", "single:2", "map_gpu:0,1" or "mask_gpu:0x3,0xc"; and "per_task:1",
	// which --gpus-per-task means. Empty where nothing says so: every task sees all.
	how string
	// gpus is how many GPUs the step has on this node; 0 if unknown.
	gpus int
	// part tells that this task sees fewer.
	part bool
}

// binding reads the variables that tell it. Options of srun itself are in SLURMD_TRES_BIND alone, as a 22.05 cluster
// showed; the others are options of the job or variables of the user. CUDA_VISIBLE_DEVICES does not tell: under
// ConstrainDevices every task sees an index 0 that is another card.
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

// sharers tells how many of the node's tasks see the GPUs that task local sees, and its place among them.
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

// seenBy names the GPUs of a task: tasks with the same name see the same.
func (b binding) seenBy(local int) string {
	own := "own " + strconv.Itoa(local)
	kind, rest, _ := strings.Cut(b.how, ":")
	switch kind {
	case "", "none":
		return "all"
	case "per_task":
		return own
	case "single": // the next GPU after so many tasks, and the first again after the last
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
	// "closest" goes by the machine's wiring, and a newer SLURM may have more. A task that sees all shares it with all.
	if b.part {
		return own
	}
	return "all"
}

// repeated reads "0*2,1" as 0, 0, 1.
func repeated(s string) []string {
	const most = 4096 // tasks of a node
	var list []string
	for part := range strings.SplitSeq(s, ",") {
		value, times, _ := strings.Cut(strings.TrimSpace(part), "*")
		n := 1
		if times != "" {
			n, _ = strconv.Atoi(times)
		}
		for range min(n, most-len(list)) {
			list = append(list, value)
		}
	}
	return list
}
