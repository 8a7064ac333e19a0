//go:build cgo && linux

package nvml

import (
	"strings"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"fluxworker/gpu"
)

// migEnabled reports whether the GPU is divided into instances. Most GPUs do not support that.
func (r *reader) migEnabled() bool {
	mode, ok := ask(r, func() (int, gonvml.Return) {
		current, _, ret := r.handle.GetMigMode()
		return current, ret
	}, "nvmlDeviceGetMigMode")
	return ok && mode == gonvml.DEVICE_MIG_ENABLE
}

// readInstances reads the MIG instances of a GPU, and reports whether the GPU was lost meanwhile.
func (l library) readInstances(parent reader) (instances []gpu.Device, lost bool) {
	if !l.has("nvmlDeviceGetMigDeviceHandleByIndex") {
		return nil, false
	}
	n, _ := ask(&parent, parent.handle.GetMaxMigDeviceCount, "nvmlDeviceGetMaxMigDeviceCount")
	for i := range n {
		handle, ret := parent.handle.GetMigDeviceHandleByIndex(i)
		switch ret {
		case gonvml.SUCCESS:
			instances = append(instances, l.readInstance(parent.Device, handle))
		case gonvml.ERROR_NO_PERMISSION:
			r := reader{library: l}
			r.Index, r.Parent = parent.Index, parent.UUID
			r.fail("open MIG instance", ret)
			instances = append(instances, r.Device)
		case gonvml.ERROR_GPU_IS_LOST:
			return instances, true
		} // else no instance has this index
	}
	return instances, false
}

// readInstance reads one MIG instance.
func (l library) readInstance(parent gpu.Device, handle gonvml.Device) gpu.Device {
	r := reader{library: l, handle: handle}
	r.Index, r.Parent = parent.Index, parent.UUID
	r.identity()
	r.PCIBus = parent.PCIBus
	// Only the name contains the profile: "NVIDIA A100-SXM4-80GB MIG 1g.10gb".
	_, r.MIGProfile, _ = strings.Cut(r.Name, " MIG ")
	r.GI, _ = ask(&r, handle.GetGpuInstanceId, "nvmlDeviceGetGpuInstanceId")
	r.CI, _ = ask(&r, handle.GetComputeInstanceId, "nvmlDeviceGetComputeInstanceId")
	r.memory()
	r.processes()
	r.health()
	r.load()
	return r.Device
}
