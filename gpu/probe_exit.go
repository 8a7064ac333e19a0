package gpu

// ProbeWatch is the argument that makes the probe print errors as they happen.
const ProbeWatch = "watch"

// The probe's exit codes. The dynamic linker's own are 1 and 127, Go's after a crash is 2.
const (
	ProbeOK        = 0
	ProbeNoLibrary = 3 // no NVML library
	ProbeFailed    = 4 // NVML does not work; the reason is on standard error
	ProbeNotLoaded = 5 // the library is there, the kernel's driver is not
)
