//go:build cgo && linux

package nvml

import (
	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"fluxworker/gpu"
)

// Read reports every GPU and MIG instance that the driver shows. A device that cannot be read has its reason in Err. An
// error means that there is no report.
func Read() (gpu.Report, error) {
	lib, err := open()
	if err != nil {
		return gpu.Report{}, err
	}
	defer lib.Shutdown()
	n, err := lib.count()
	if err != nil {
		return gpu.Report{}, err
	}
	report := gpu.Report{Source: gpu.SourceNVML, Devices: make([]gpu.Device, 0, n)}
	report.Driver, _ = lib.SystemGetDriverVersion()
	for i := range n {
		handle, ret := lib.DeviceGetHandleByIndex(i)
		if ret != gonvml.SUCCESS {
			r := reader{library: lib}
			r.Index = i
			r.fail("open", ret)
			report.Devices = append(report.Devices, r.Device)
			continue
		}
		report.Devices = append(report.Devices, lib.readGPU(i, handle)...)
	}
	return report, nil
}

// readGPU reads a GPU and its MIG instances.
func (l library) readGPU(index int, handle gonvml.Device) []gpu.Device {
	r := reader{library: l, handle: handle}
	r.Index = index
	r.identity()
	r.PCIBus = r.bus()
	r.MIGEnabled = r.migEnabled()
	r.memory()
	r.processes()
	r.health()
	r.load()
	if !r.MIGEnabled {
		return []gpu.Device{r.Device}
	}
	instances, lost := l.readInstances(r)
	r.Health.Lost = r.Health.Lost || lost
	return append([]gpu.Device{r.Device}, instances...)
}
