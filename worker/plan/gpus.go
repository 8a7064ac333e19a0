package plan

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/rs/zerolog"

	"fluxworker/gpu"
)

// GPUError means that the run needs a GPU and can use none.
type GPUError struct{ Err error }

func (e *GPUError) Error() string {
	start := ""
	if errors.Is(e.Err, gpu.ErrNoDriver) { // a login node, or a job without a GPU
		start = "start it in a job that has a GPU (--gres=gpu:1), or "
	}
	return fmt.Sprintf("%v; %suse --device cpu to run without a GPU", e.Err, start)
}
func (e *GPUError) Unwrap() error { return e.Err }

// AllocatedGPUs asks the driver for the GPUs that this process may use, with their present memory. Tasks of one step that see
// the same GPUs distribute them; where several tasks share a GPU, each gets an equal part of the free memory. Errors:
// GPUError, or the cause of the context's end.
func AllocatedGPUs(ctx context.Context, log zerolog.Logger) ([]gpu.Device, error) {
	report, err := gpu.Query(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, &GPUError{err}
	}
	allocation, err := gpu.Allocated(os.Environ(), report)
	for _, w := range append(allocation.Warnings, allocation.Unusable...) {
		log.Warn().Msg("GPUs: " + w)
	}
	if err != nil {
		return nil, &GPUError{err}
	}
	localID, tasks := gpu.StepTasks(os.Environ())
	share, err := gpu.ShareByLocalID(allocation.Devices, localID, tasks)
	if err != nil {
		return nil, &GPUError{err}
	}
	if share.Warning != "" {
		log.Warn().Msg("GPUs: " + share.Warning)
	}
	devices := make([]gpu.Device, len(share.Devices))
	for i, d := range share.Devices {
		d.Memory.Free /= uint64(share.Tasks)
		d.VisibleName = report.VisibleName(d)
		devices[i] = d
		line := log.Info()
		if d.Health.UncorrectedECC > 0 {
			line = log.Warn().Uint64("uncorrected_memory_errors", d.Health.UncorrectedECC)
		}
		if len(d.Health.Throttle) > 0 {
			line = line.Strs("clocks_held_down_by", d.Health.Throttle)
		}
		line.Str("uuid", d.UUID).Str("name", d.Name).Uint64("free_mib", d.Memory.Free>>20).Uint64("total_mib", d.Memory.Total>>20).
			Str("source", string(report.Source)).Str("by", allocation.From).Msg("GPU")
	}
	return devices, nil
}
