package gpu

import "errors"

// ErrNoDriver means that neither NVML nor nvidia-smi reaches an NVIDIA driver.
var ErrNoDriver = errors.New("no NVIDIA driver")
