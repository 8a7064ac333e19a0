package gpu

// ProbeWatch is the argument that makes the probe print errors as they occur.
const ProbeWatch = "watch"

// The probe's exit codes. Other sources use 1 and 127 (the dynamic linker) and 2 (Go after a crash).
const (
	ProbeOK        = 0
	ProbeNoLibrary = 3 // no NVML library
	ProbeFailed    = 4 // NVML does not work; standard error has the reason
	ProbeNotLoaded = 5 // the library exists, but the kernel driver is not loaded
)
