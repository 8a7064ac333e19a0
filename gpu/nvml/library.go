//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

var (
	// ErrNoLibrary means that there is no libnvidia-ml.so.1, or one that is not a driver's (CUDA's toolkit brings a
	// stub under that name).
	ErrNoLibrary = errors.New("no NVML library")
	// ErrNotLoaded means that the library is there and the kernel's driver is not.
	ErrNotLoaded = errors.New("driver not loaded")
)

// library is an NVML that is loaded and initialised.
type library struct {
	gonvml.Interface
}

// open loads and initialises the library. This is where a broken driver shows.
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

// has tells whether the driver has at least one of the functions. go-nvml takes the newest version of a function that
// is there, so that one version is enough.
func (l library) has(symbols ...string) bool {
	for _, symbol := range symbols {
		if l.Extensions().LookupSymbol(symbol) == nil {
			return true
		}
	}
	return false
}

// count is the number of GPUs, those included that we may not use.
func (l library) count() (int, error) {
	n, ret := l.DeviceGetCount()
	if ret != gonvml.SUCCESS {
		return 0, fmt.Errorf("count GPUs: %s", text(ret))
	}
	return n, nil
}

// text is NVML's own words for a return code, which is no error value: even SUCCESS is not nil.
func text(ret gonvml.Return) string {
	return fmt.Sprintf("%s (NVML code %d)", gonvml.ErrorString(ret), int(ret))
}
