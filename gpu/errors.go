package gpu

import "errors"

// ErrNoDriver means that there is no NVIDIA driver to ask: neither NVML nor nvidia-smi reaches one.
var ErrNoDriver = errors.New("no NVIDIA driver")
