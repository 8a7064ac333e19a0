package fleet

import (
	"context"
	"fmt"

	"fluxworker/gpu"
	"fluxworker/worker/ollama"
)

// offloaded reports whether a server with GPUs keeps a part of the model outside of them. Ollama never refuses a load for
// lack of GPU memory: it moves layers to the CPU without a message, and every token waits for these layers.
func (f *Fleet) offloaded(s *Server) bool {
	if f.config.Device == ollama.DeviceCPU {
		return false
	}
	if s.footprint.GPUBytes < s.footprint.Bytes {
		return true
	}
	return s.layers != nil && s.layers.GPU < s.layers.All
}

// minGrownShare is the share of a server's own number of bytes on its GPUs below which the driver's number is suspicious. A
// lower number is only logged: the processes of other jobs on the same GPU change the driver's number, too.
const minGrownShare = 0.25

// OffloadError means that the GPUs of a server do not hold the model, even with the fewest slots.
type OffloadError struct {
	Model   string
	Slots   int
	Context int   // tokens of a slot
	Bytes   int64 // that the server allocated; 0 where its load failed
	OnGPU   int64 // the part of Bytes on the GPUs
}

func (e *OffloadError) Error() string {
	what := "the GPU had no room for it"
	if e.Bytes > 0 {
		what = fmt.Sprintf("the server put %d of %d MiB on the GPU", e.OnGPU>>20, e.Bytes>>20)
	}
	return fmt.Sprintf("model %s does not fit: with %d slots of %d tokens %s; allow a smaller context (with --context N: --fallback-context), take a smaller --kv-cache-type, a smaller model or more GPUs",
		e.Model, e.Slots, e.Context, what)
}

// reduceSlots reduces the slots of a server whose GPUs do not hold all of the model by a quarter, at least by one. A server with
// one slot gets half of the context instead, not below MinContext, if the user allowed it. Error: OffloadError where nothing
// is left to reduce.
func (f *Fleet) reduceSlots(s *Server) error {
	was := s.slots
	switch {
	case s.slots > 1:
		s.slots -= max(1, s.slots/4)
	case f.config.MinContext > 0 && s.context > f.config.MinContext:
		s.context = max(s.context/2, f.config.MinContext)
	default:
		return &OffloadError{Model: f.config.Model, Slots: s.slots, Context: s.context, Bytes: s.footprint.Bytes, OnGPU: s.footprint.GPUBytes}
	}
	message := "the load failed, since the GPU has no room for so much; starting the server again with less"
	line := f.log.Warn().Str("server", s.name).Int("slots_were", was).Int("slots", s.slots).Int("context", s.context)
	if s.footprint.Bytes > 0 {
		line.Int64("bytes", s.footprint.Bytes).Int64("bytes_on_gpu", s.footprint.GPUBytes)
		message = "not all of the model is on the GPU; starting the server again with less"
	}
	line.Msg(message)
	return nil
}

// usedMemory returns the used memory of each GPU, in bytes, by UUID; nil where the run has no GPU or the query fails.
func (f *Fleet) usedMemory(ctx context.Context) map[string]uint64 {
	if len(f.config.GPUs) == 0 {
		return nil
	}
	report, err := gpu.Query(ctx)
	if err != nil {
		f.log.Warn().Err(err).Msg("the used memory of the GPUs cannot be measured")
		return nil
	}
	used := make(map[string]uint64)
	for _, d := range report.Devices {
		used[d.UUID] = d.Memory.Used
	}
	return used
}

// grown returns the growth of the used memory of each of the server's GPUs since the start of the first server, in bytes; nil
// where it cannot be measured. Servers that share a GPU share the number.
func (f *Fleet) grown(ctx context.Context, s *Server) []int64 {
	if f.usedBefore == nil || ctx.Err() != nil {
		return nil
	}
	return f.grownBy(f.usedMemory(ctx), s)
}

// grownBy returns grown for a given use of the GPUs.
func (f *Fleet) grownBy(used map[string]uint64, s *Server) []int64 {
	if used == nil {
		return nil
	}
	grown := make([]int64, len(s.plan.Devices))
	for i, d := range s.plan.Devices {
		grown[i] = int64(used[d.UUID]) - int64(f.usedBefore[d.UUID])
	}
	return grown
}

// measure records the used memory of each server's GPUs, beside the plan. An excluded server was measured before its end.
func (f *Fleet) measure(ctx context.Context, servers []*Server) {
	if f.usedBefore == nil || ctx.Err() != nil {
		return
	}
	used := f.usedMemory(ctx)
	for _, s := range servers {
		if s.excluded != nil {
			continue
		}
		s.grown = f.grownBy(used, s)
		f.record(s, nil)
		for i, grown := range s.grown {
			if float64(grown) < minGrownShare*float64(s.footprint.GPUBytes) {
				f.log.Warn().Str("gpu", s.plan.Devices[i].UUID).Int64("grown_mib", grown>>20).Int64("server_says_mib", s.footprint.GPUBytes>>20).
					Msg("the driver sees far less memory in use than the server claims to have on its GPUs")
			}
		}
	}
}
