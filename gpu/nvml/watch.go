//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"fluxworker/gpu"
)

// waitMS limits one wait for events in milliseconds. It only avoids an endless wait in the driver.
const waitMS = 10_000

// Watch calls report for the critical errors of all devices, starting now. It ends only with an error: that of report,
// or the driver's if a GPU is lost.
func Watch(report func(gpu.XID) error) error {
	lib, err := open()
	if err != nil {
		return err
	}
	defer lib.Shutdown()
	if !lib.has("nvmlEventSetCreate") || !lib.has("nvmlDeviceRegisterEvents") || !lib.has("nvmlEventSetWait", "nvmlEventSetWait_v2") {
		return errors.New("this driver reports no events")
	}
	set, ret := lib.EventSetCreate()
	if ret != gonvml.SUCCESS {
		return fmt.Errorf("create event set: %s", text(ret))
	}
	defer set.Free()
	uuids, err := lib.register(set)
	if err != nil {
		return err
	}
	for {
		event, ret := set.Wait(waitMS)
		switch {
		case ret == gonvml.ERROR_TIMEOUT:
		case ret != gonvml.SUCCESS:
			return fmt.Errorf("wait for events: %s", text(ret))
		case event.EventType == gonvml.EventTypeXidCriticalError:
			xid := gpu.XID{Code: event.EventData, UUID: uuids[event.Device]}
			if xid.UUID == "" {
				xid.UUID, _ = event.Device.GetUUID() // report the error even if the GPU cannot be identified
			}
			if event.GpuInstanceId != ^uint32(0) {
				gi := int(event.GpuInstanceId)
				xid.GI = &gi
			}
			if err := report(xid); err != nil {
				return err
			}
		}
	}
}

// register subscribes to the errors of every accessible GPU that supports it. It returns their UUIDs, because a GPU
// that has fallen off the bus cannot report its own.
func (l library) register(set gonvml.EventSet) (map[gonvml.Device]string, error) {
	n, err := l.count()
	if err != nil {
		return nil, err
	}
	uuids := make(map[gonvml.Device]string)
	for i := range n {
		handle, ret := l.DeviceGetHandleByIndex(i)
		if ret == gonvml.SUCCESS && handle.RegisterEvents(gonvml.EventTypeXidCriticalError, set) == gonvml.SUCCESS {
			uuids[handle], _ = handle.GetUUID()
		}
	}
	if len(uuids) == 0 {
		return nil, errors.New("no GPU reports events")
	}
	return uuids, nil
}
