package plan

import (
	"cmp"
	"fmt"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/worker/outcome"
)

// OpenAI returns the plan of servers of OpenAI's API, each with so many rows at once: no memory is planned, and the GPUs are shared
// out evenly, in their order. slots 0 means that the run finds the number. Error: ConfigError where the GPUs cannot be shared out.
func OpenAI(servers, slots int, gpus []gpu.Device) (batcher.Plan, error) {
	if len(gpus)%servers != 0 {
		return batcher.Plan{}, &outcome.ConfigError{Err: fmt.Errorf("--servers is %d, and %d GPUs cannot be shared out evenly among them; choose a number that divides the GPUs", servers, len(gpus))}
	}
	slots = cmp.Or(slots, batcher.FirstSlots)
	p := batcher.Plan{Slots: servers * slots}
	each := len(gpus) / servers
	for i := range servers {
		p.Servers = append(p.Servers, batcher.Server{Devices: gpus[i*each : (i+1)*each], Slots: slots})
	}
	return p, nil
}
