// Package gpu finds the GPUs that this process may use, and reads their free memory, health, load and energy.
//
// A child process, the probe, queries NVML, so that its hangs and crashes do not affect this process. If no probe can
// run, nvidia-smi is queried instead. Both give the same Report, which contains all devices that the driver shows. This
// package selects the devices of the job from it, by the rules of CUDA_VISIBLE_DEVICES and SLURM.
package gpu

// Source is the origin of a Report.
type Source string

// The sources.
const (
	SourceNVML      Source = "nvml"
	SourceNvidiaSMI Source = "nvidia-smi"
	SourceDescribed Source = "described" // by a user, for hardware that this machine does not have
)

// Report is the state of a node's GPUs at one moment.
type Report struct {
	Source  Source   `json:"source"`
	Driver  string   `json:"driver,omitempty"` // version of the driver
	Devices []Device `json:"devices"`          // in PCI bus order; MIG instances follow their GPU
}

// Device is a GPU or a MIG instance. A value that the driver does not provide is nil or empty.
type Device struct {
	Index  int    `json:"index"`            // NVML's index of the GPU; a MIG instance has the index of its GPU
	UUID   string `json:"uuid"`             // "GPU-…" or "MIG-…"
	Parent string `json:"parent,omitempty"` // UUID of a MIG instance's GPU; empty for a GPU
	// MIGProfile is the size of a MIG instance, such as "1g.10gb"; empty for a GPU.
	MIGProfile string `json:"mig_profile,omitempty"`
	GI         int    `json:"gi,omitempty"` // GPU instance id of a MIG instance
	CI         int    `json:"ci,omitempty"` // compute instance id of a MIG instance
	// MIGEnabled is true if the GPU is divided into instances and cannot be used as a whole.
	MIGEnabled bool   `json:"mig_enabled,omitempty"`
	Name       string `json:"name"`
	PCIBus     string `json:"pci_bus,omitempty"` // "00000000:07:00.0"
	// ComputeCapability is a version such as "8.0".
	ComputeCapability string `json:"compute_capability,omitempty"`

	Memory Memory `json:"memory"`
	Health Health `json:"health"`
	Load   Load   `json:"load"`

	// Err is the reason why the device gave no readings: no permission (another job's device, under ConstrainDevices),
	// or lost.
	Err string `json:"error,omitempty"`
	// VisibleName is the entry of CUDA_VISIBLE_DEVICES; see Report.VisibleName. Empty for a device that was only described.
	VisibleName string `json:"-"`

	// NoPermission is true for a device of another job.
	NoPermission bool `json:"no_permission,omitempty"`
}

// MIG reports whether the device is a MIG instance.
func (d Device) MIG() bool { return d.Parent != "" }

// Memory holds sizes in bytes. Total is the memory of the card. Reserved is the driver's own part, which is not in
// Used. The driver reports Free = Total - Reserved - Used.
type Memory struct {
	Total    uint64 `json:"total"`
	Reserved uint64 `json:"reserved"`
	Used     uint64 `json:"used"`
	Free     uint64 `json:"free"`
	// Processes is the part of Used that the driver attributes to processes; nil if unknown.
	Processes *uint64 `json:"processes,omitempty"`
}

// Health holds conditions that make a device unusable or slow. Critical errors (XID) come as events; see Probe.Watch.
type Health struct {
	Lost           bool   `json:"lost,omitempty"`            // the GPU has fallen off the bus
	UncorrectedECC uint64 `json:"uncorrected_ecc,omitempty"` // number of errors since the driver was loaded
	// Throttle lists the reasons for reduced clocks; it does not list idle.
	Throttle []string `json:"throttle,omitempty"`
}

// Load is the current activity of a device.
type Load struct {
	Utilisation *uint   `json:"utilisation,omitempty"` // percent of the last sample period in which a kernel ran
	PowerMW     *uint64 `json:"power_mw,omitempty"`
	// EnergyMJ is the energy in millijoules since the driver was loaded.
	EnergyMJ    *uint64 `json:"energy_mj,omitempty"`
	Temperature *uint   `json:"temperature,omitempty"` // degrees Celsius
}
