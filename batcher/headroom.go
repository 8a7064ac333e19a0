package batcher

import (
	"fmt"

	"fluxworker/gpu"
)

const (
	// leastReserve is what stays free of every device: llama-server moves layers to the CPU when it expects to leave
	// less than this (common/fit.cpp; LLAMA_ARG_FIT_TARGET changes it).
	leastReserve = gib
	// defaultUtilization is the share of a GPU's memory that is used where the YAML does not say.
	defaultUtilization = 0.9
)

// budget is a device's memory: what the driver says is free, which leaves out other processes' memory, less the reserve
// max(1 GiB, (1-utilization)·total).
func budget(d gpu.Device, utilization float64) Budget {
	total := int64(min(d.Memory.Total, uint64(tooMuch)))
	b := Budget{Device: d, Free: int64(min(d.Memory.Free, uint64(tooMuch)))}
	b.Reserve = max(leastReserve, int64((1-utilization)*float64(total)))
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

// name is the device for messages.
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
