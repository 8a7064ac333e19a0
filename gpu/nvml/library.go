//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

var (
	// ErrNoLibrary means that libnvidia-ml.so.1 is missing, or does not belong to a driver (CUDA's toolkit installs a
	// stub with this name).
	ErrNoLibrary = errors.New("no NVML library")
	// ErrNotLoaded means that the library exists, but the kernel driver is not loaded.
	ErrNotLoaded = errors.New("driver not loaded")
)

// library is a loaded and initialised NVML.
type library struct {
	gonvml.Interface
}

// open loads and initialises the library. A broken driver fails here.
func open() (library, error) {
	lib := library{gonvml.New()}
	switch ret := lib.Init(); ret {
	case gonvml.SUCCESS:
		return lib, nil
	case gonvml.ERROR_LIBRARY_NOT_FOUND:
		return lib, ErrNoLibrary
	case gonvml.ERROR_DRIVER_NOT_LOADED:
		return lib, ErrNotLoaded
	default:
		return lib, fmt.Errorf("initialise NVML: %s", text(ret))
	}
}

// has reports whether the driver has at least one of the functions. go-nvml uses the newest existing version of a
// function, so one version is enough.
func (l library) has(symbols ...string) bool {
	for _, symbol := range symbols {
		if l.Extensions().LookupSymbol(symbol) == nil {
			return true
		}
	}
	return false
}

// count returns the number of GPUs, including those without permission.
func (l library) count() (int, error) {
	n, ret := l.DeviceGetCount()
	if ret != gonvml.SUCCESS {
		return 0, fmt.Errorf("count GPUs: %s", text(ret))
	}
	return n, nil
}

// text returns NVML's message for a return code. A return code is not an error value: even SUCCESS is not nil.
func text(ret gonvml.Return) string {
	return fmt.Sprintf("%s (NVML code %d)", gonvml.ErrorString(ret), int(ret))
}
