package batcher

import (
	"fmt"

	"fluxworker/gpu"
)

const (
	// minReserve is the minimum free memory of every device: llama-server moves layers to the CPU if it expects to
	// leave less free (common/fit.cpp; LLAMA_ARG_FIT_TARGET changes it).
	minReserve = gib
	// defaultUtilization is the used share of a GPU's free memory if the YAML has none.
	defaultUtilization = 0.9
)

// budget returns a device's memory: the driver's free memory, without other processes' memory, less the reserve max(1
// GiB, (1-utilization)·free). The reserve is a share of what is free for this job, so that a GPU that others use, too, is planned
// with like a smaller GPU.
func budget(d gpu.Device, utilization float64) Budget {
	b := Budget{Device: d, Free: int64(min(d.Memory.Free, uint64(maxBytes)))}
	b.Reserve = max(minReserve, int64((1-utilization)*float64(b.Free)))
	b.Headroom = max(0, b.Free-b.Reserve)
	switch {
	case d.Health.Lost:
		b.Unusable = "it is lost"
	case d.NoPermission:
		b.Unusable = "it belongs to another job"
	case d.Err != "":
		b.Unusable = d.Err
	case d.MIGEnabled && !d.MIG():
		b.Unusable = "it is cut into MIG instances"
	}
	if b.Unusable != "" {
		b.Headroom = 0
	}
	return b
}

// name returns the device for messages.
func name(d gpu.Device) string {
	kind := d.Name
	if kind == "" {
		kind = "GPU"
	}
	if d.MIGProfile != "" {
		kind += " MIG " + d.MIGProfile
	}
	if d.UUID == "" {
		return fmt.Sprintf("%s (index %d)", kind, d.Index)
	}
	return fmt.Sprintf("%s (%s)", kind, d.UUID)
}
