package doctor

import (
	"context"
	"fmt"
	"strings"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/worker/ollama"
	"fluxworker/worker/plan"
)

// littleFree is the share of a GPU's memory from which on the GPU is not taken for busy.
const littleFree = 0.8

// gpus checks the GPUs that this process may use, and reports whether there are any.
func (r *report) gpus(ctx context.Context, c Config) (usable bool) {
	const check = "GPU"
	switch {
	case c.Server.URL != "":
		r.ok(check, "not looked at: the server runs already")
		return false
	case c.Server.Device == ollama.DeviceCPU:
		r.ok(check, "not used (--device cpu)")
		return false
	}
	report, err := gpu.Query(ctx)
	if err != nil {
		r.noGPU(err)
		return false
	}
	allocation, err := gpu.Allocated(c.Environ, report)
	for _, w := range allocation.Warnings {
		r.warn(check, "set CUDA_VISIBLE_DEVICES to what SLURM gave to the job, or unset it", "%s", w)
	}
	for _, w := range allocation.Unusable {
		r.warn(check, "ask for another node, and tell the administrator", "%s", w)
	}
	if err != nil {
		r.noGPU(err)
		return false
	}
	for _, d := range allocation.Devices {
		r.device(d, allocation.From)
	}
	r.share(c, allocation.Devices)
	r.ok("driver", "%s, asked through %s", report.Driver, report.Source)
	return len(allocation.Devices) > 0
}

// noGPU adds the finding for a machine without a usable GPU.
func (r *report) noGPU(err error) {
	r.fail("GPU", "start doctor in a job that has a GPU (--gres=gpu:1); --device cpu runs without one", "%v", err)
}

// device checks one GPU.
func (r *report) device(d gpu.Device, from string) {
	const check = "GPU"
	text := fmt.Sprintf("%s (%s), %s of %s free, by %s", d.Name, d.UUID, batcher.Size(int64(d.Memory.Free)), batcher.Size(int64(d.Memory.Total)), from)
	switch {
	case d.Health.UncorrectedECC > 0:
		r.warn(check, "tell the administrator; `nvidia-smi -q -d ECC` shows them", "%s; %d memory errors that were not corrected", text, d.Health.UncorrectedECC)
	case float64(d.Memory.Free) < littleFree*float64(d.Memory.Total):
		r.warn(check, "find the other process with nvidia-smi; a run takes only what is free", "%s: another process uses the GPU", text)
	case len(d.Health.Throttle) > 0:
		r.warn(check, "the GPU works, but slower; tell the administrator if it stays so", "%s; the clocks are held down by %s", text, strings.Join(d.Health.Throttle, ", "))
	default:
		r.ok(check, "%s", text)
	}
}

// share checks that this task of a step has a GPU of its own.
func (r *report) share(c Config, devices []gpu.Device) {
	rank, tasks := gpu.StepTasks(c.Environ)
	share, err := gpu.ShareByLocalID(devices, rank, tasks)
	switch {
	case err != nil:
		r.noGPU(&plan.GPUError{Err: err})
	case share.Warning != "":
		r.warn("GPU", "ask for one GPU for each task, with --gpus-per-task=1", "%s", share.Warning)
	}
}
