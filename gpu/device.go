// Package gpu tells which GPUs this process may use and how they are: memory that is really free, health, load, energy.
//
// NVML is asked by a child process, the probe, whose hangs and crashes stay its own; where no probe can run, nvidia-smi
// is asked instead. Both give the same Report, of all the devices that the driver shows; which of them belong to this
// job is decided here, by the rules of CUDA_VISIBLE_DEVICES and SLURM.
package gpu

// Source says who gave a Report.
type Source string

// The sources.
const (
	SourceNVML      Source = "nvml"
	SourceNvidiaSMI Source = "nvidia-smi"
	SourceDescribed Source = "described" // by a user, for hardware that is not here
)

// Report is what a source says of a node at one moment.
type Report struct {
	Source  Source   `json:"source"`
	Driver  string   `json:"driver,omitempty"` // the driver's version
	Devices []Device `json:"devices"`          // in the source's order: PCI bus, MIG instances after their GPU
}

// Device is a GPU, or one MIG instance of a GPU. A reading that the driver does not give is nil or empty.
type Device struct {
	Index  int    `json:"index"`            // NVML's, of the GPU; a MIG instance has its GPU's
	UUID   string `json:"uuid"`             // "GPU-…" or "MIG-…"
	Parent string `json:"parent,omitempty"` // UUID of the GPU that a MIG instance is part of
	// MIGProfile is the size of a MIG instance, such as "1g.10gb"; empty for a GPU.
	MIGProfile string `json:"mig_profile,omitempty"`
	GI         int    `json:"gi,omitempty"` // GPU instance id of a MIG instance
	CI         int    `json:"ci,omitempty"` // compute instance id of a MIG instance
	// MIGEnabled means that the GPU is cut into instances and cannot be used as a whole.
	MIGEnabled bool   `json:"mig_enabled,omitempty"`
	Name       string `json:"name"`
	PCIBus     string `json:"pci_bus,omitempty"` // "00000000:07:00.0"
	// ComputeCapability is "8.0" and the like.
	ComputeCapability string `json:"compute_capability,omitempty"`

	Memory Memory `json:"memory"`
	Health Health `json:"health"`
	Load   Load   `json:"load"`

	// Err is why the device gave no readings: no permission (another job's, under ConstrainDevices) or lost.
	Err string `json:"error,omitempty"`
	// NoPermission marks a device that belongs to another job.
	NoPermission bool `json:"no_permission,omitempty"`
}

// MIG tells whether the device is a MIG instance.
func (d Device) MIG() bool { return d.Parent != "" }

// Memory is in bytes. Total is what the card has; Reserved is the driver's own share of it and is not in Used.
// Free = Total - Reserved - Used, as the driver says it.
type Memory struct {
	Total    uint64 `json:"total"`
	Reserved uint64 `json:"reserved"`
	Used     uint64 `json:"used"`
	Free     uint64 `json:"free"`
	// Processes is the part of Used that the driver attributes to processes; nil where it does not say.
	Processes *uint64 `json:"processes,omitempty"`
}

// Health is what can make a device unusable or slow. Critical errors (XID) come as events, see Probe.Watch.
type Health struct {
	Lost           bool   `json:"lost,omitempty"`            // fell off the bus
	UncorrectedECC uint64 `json:"uncorrected_ecc,omitempty"` // errors since the driver was loaded
	// Throttle names the reasons why the clocks are held down; idle is none.
	Throttle []string `json:"throttle,omitempty"`
}

// Load is what the device is doing.
type Load struct {
	Utilisation *uint   `json:"utilisation,omitempty"` // percent of the last sample period in which a kernel ran
	PowerMW     *uint64 `json:"power_mw,omitempty"`
	// EnergyMJ counts millijoules since the driver was loaded.
	EnergyMJ    *uint64 `json:"energy_mj,omitempty"`
	Temperature *uint   `json:"temperature,omitempty"` // degrees Celsius
}
