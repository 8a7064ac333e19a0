//go:build cgo && linux

package nvml

import (
	"fmt"
	"math"
	"strings"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"fluxworker/gpu"
)

// reader fills a Device value by value.
type reader struct {
	library
	handle gonvml.Device
	gpu.Device
}

// fail stores the first reason why a device cannot be used.
func (r *reader) fail(verb string, ret gonvml.Return) {
	switch ret {
	case gonvml.ERROR_NO_PERMISSION:
		r.NoPermission = true
	case gonvml.ERROR_GPU_IS_LOST:
		r.Health.Lost = true
	}
	if r.Err == "" {
		r.Err = fmt.Sprintf("%s: %s", verb, text(ret))
	}
}

// ask makes one call if the driver has the function, and reports whether the call succeeded. Most values may be missing
// without harm, but any call may reveal a lost GPU.
func ask[T any](r *reader, call func() (T, gonvml.Return), symbols ...string) (T, bool) {
	var none T
	if !r.has(symbols...) {
		return none, false
	}
	value, ret := call()
	switch ret {
	case gonvml.SUCCESS:
		return value, true
	case gonvml.ERROR_GPU_IS_LOST, gonvml.ERROR_RESET_REQUIRED:
		r.fail("read", ret)
	}
	return none, false
}

// identity reads the names of the device. Without a UUID no process can select it.
func (r *reader) identity() {
	uuid, ret := r.handle.GetUUID()
	if ret != gonvml.SUCCESS {
		r.fail("read UUID", ret)
	}
	r.UUID = uuid
	r.Name, _ = ask(r, r.handle.GetName, "nvmlDeviceGetName")
	r.ComputeCapability, _ = ask(r, func() (string, gonvml.Return) {
		major, minor, ret := r.handle.GetCudaComputeCapability()
		return fmt.Sprintf("%d.%d", major, minor), ret
	}, "nvmlDeviceGetCudaComputeCapability")
}

// bus returns the PCI address in nvidia-smi's form.
func (r *reader) bus() string {
	info, _ := ask(r, r.handle.GetPciInfo, "nvmlDeviceGetPciInfo", "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo_v3")
	var bus strings.Builder
	for _, c := range info.BusId {
		if c == 0 {
			break
		}
		bus.WriteByte(byte(c))
	}
	return bus.String()
}

// memory reads the sizes. A device with unknown memory is unusable for a plan, except a GPU with MIG: inside the cgroup
// of one instance the GPU's own memory may be forbidden, and it is not needed.
func (r *reader) memory() {
	if v2, ok := ask(r, r.handle.GetMemoryInfo_v2, "nvmlDeviceGetMemoryInfo_v2"); ok {
		r.Memory = gpu.Memory{Total: v2.Total, Reserved: v2.Reserved, Used: v2.Used, Free: v2.Free}
		return
	}
	// Drivers before 510. Their used memory includes the reserved part, which they do not report separately.
	v1, ret := r.handle.GetMemoryInfo()
	if ret != gonvml.SUCCESS {
		if !r.MIGEnabled || ret == gonvml.ERROR_GPU_IS_LOST {
			r.fail("read memory", ret)
		}
		return
	}
	r.Memory = gpu.Memory{Total: v1.Total, Used: v1.Used, Free: v1.Free}
}

// processes sums the memory of all processes on the device. A process may be in several lists. If the driver lists
// processes without any memory values, as some drivers do, the result stays nil.
func (r *reader) processes() {
	type key struct{ pid, gi, ci uint32 }
	used := map[key]uint64{}
	answered, unknown := false, false
	for _, list := range []struct {
		kind string
		call func() ([]gonvml.ProcessInfo, gonvml.Return)
	}{
		{"Compute", r.handle.GetComputeRunningProcesses},
		{"Graphics", r.handle.GetGraphicsRunningProcesses},
		{"MPSCompute", r.handle.GetMPSComputeRunningProcesses},
	} {
		function := "nvmlDeviceGet" + list.kind + "RunningProcesses"
		infos, ok := ask(r, list.call, function, function+"_v2", function+"_v3")
		answered = answered || ok
		for _, info := range infos {
			if info.UsedGpuMemory == math.MaxUint64 { // NVML_VALUE_NOT_AVAILABLE
				unknown = true
				continue
			}
			k := key{info.Pid, info.GpuInstanceId, info.ComputeInstanceId}
			used[k] = max(used[k], info.UsedGpuMemory)
		}
	}
	if !answered || unknown && len(used) == 0 {
		return
	}
	var sum uint64
	for _, bytes := range used {
		sum += bytes
	}
	r.Memory.Processes = &sum
}

// health reads errors and the reasons for reduced clocks.
func (r *reader) health() {
	r.Health.UncorrectedECC, _ = ask(r, func() (uint64, gonvml.Return) {
		return r.handle.GetTotalEccErrors(gonvml.MEMORY_ERROR_TYPE_UNCORRECTED, gonvml.VOLATILE_ECC)
	}, "nvmlDeviceGetTotalEccErrors")
	// Driver 535 renamed the function; both names return the same mask.
	mask, ok := ask(r, r.handle.GetCurrentClocksEventReasons, "nvmlDeviceGetCurrentClocksEventReasons")
	if !ok {
		mask, _ = ask(r, r.handle.GetCurrentClocksThrottleReasons, "nvmlDeviceGetCurrentClocksThrottleReasons")
	}
	r.Health.Throttle = gpu.ThrottleNames(mask)
}

// load reads the current activity. GPUs before Volta do not count energy, and MIG instances provide none of these
// values.
func (r *reader) load() {
	if use, ok := ask(r, r.handle.GetUtilizationRates, "nvmlDeviceGetUtilizationRates"); ok {
		percent := uint(use.Gpu)
		r.Load.Utilisation = &percent
	}
	if power, ok := ask(r, r.handle.GetPowerUsage, "nvmlDeviceGetPowerUsage"); ok {
		milliwatts := uint64(power)
		r.Load.PowerMW = &milliwatts
	}
	if energy, ok := ask(r, r.handle.GetTotalEnergyConsumption, "nvmlDeviceGetTotalEnergyConsumption"); ok {
		r.Load.EnergyMJ = &energy
	}
	if temperature, ok := ask(r, func() (uint32, gonvml.Return) {
		return r.handle.GetTemperature(gonvml.TEMPERATURE_GPU)
	}, "nvmlDeviceGetTemperature"); ok {
		degrees := uint(temperature)
		r.Load.Temperature = &degrees
	}
}
