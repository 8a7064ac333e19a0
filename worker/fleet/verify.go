package fleet

import (
	"context"
	"fmt"

	"fluxworker/gpu"
	"fluxworker/worker/ollama"
)

// offloaded reports whether a server that has GPUs keeps some of the model elsewhere. Ollama never refuses a load for lack of
// GPU memory: layers quietly go to the CPU, and every token waits for them.
func (f *Fleet) offloaded(s *Server) bool {
	if f.config.Device == ollama.DeviceCPU {
		return false
	}
	if s.footprint.GPUBytes < s.footprint.Bytes {
		return true
	}
	return s.layers != nil && s.layers.GPU < s.layers.All
}

// unbelievable is the part of what a server claims to have on its GPUs below which the driver's own number casts doubt on
// the claim. It is only told: other jobs' processes on the same GPU come and go, and that moves the number, too.
const unbelievable = 0.25

// OffloadError is a model that the server could not keep on the GPU, however few slots it got.
type OffloadError struct {
	Model   string
	Slots   int
	Context int
	Bytes   int64 // what the server wanted
	OnGPU   int64 // what of it was on the GPU
}

func (e *OffloadError) Error() string {
	return fmt.Sprintf("model %s does not fit: with %d slots of %d tokens the server put %d of %d MiB on the GPU; allow a smaller context (with --context N: --fallback-context), take a smaller --kv-cache-type, a smaller model or more GPUs",
		e.Model, e.Slots, e.Context, e.OnGPU>>20, e.Bytes>>20)
}

// reduceSlots gives a server that offloaded a part of the model a quarter fewer slots, at least one fewer; below one slot half the context, where
// the user allowed that.
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
	f.log.Warn().Str("server", s.name).Int("slots_were", was).Int("slots", s.slots).Int("context", s.context).
		Int64("bytes", s.footprint.Bytes).Int64("bytes_on_gpu", s.footprint.GPUBytes).
		Msg("not all of the model is on the GPU; starting the server again with less")
	return nil
}

// usedMemory is how much of each of the run's GPUs is in use, by UUID; nil where there is none to measure.
func (f *Fleet) usedMemory(ctx context.Context) map[string]uint64 {
	if len(f.config.GPUs) == 0 {
		return nil
	}
	report, err := gpu.Query(ctx)
	if err != nil {
		f.log.Warn().Err(err).Msg("the GPUs' memory cannot be measured now")
		return nil
	}
	used := make(map[string]uint64)
	for _, d := range report.Devices {
		used[d.UUID] = d.Memory.Used
	}
	return used
}

// grown is by how much more of each of a server's GPUs is in use than before the first server was started, in bytes; nil
// where that cannot be measured. Servers that share a GPU share the number.
func (f *Fleet) grown(ctx context.Context, s *Server) []int64 {
	if f.usedBefore == nil || ctx.Err() != nil {
		return nil
	}
	return f.grownBy(f.usedMemory(ctx), s)
}

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

// measure notes for each server what its GPUs have in use now, beside what was planned. One that was left out was
// measured before it was ended.
func (f *Fleet) measure(ctx context.Context, servers []*Server) {
	if f.usedBefore == nil || ctx.Err() != nil {
		return
	}
	used := f.usedMemory(ctx)
	for _, s := range servers {
		if s.leftOut != nil {
			continue
		}
		s.grown = f.grownBy(used, s)
		f.record(s, nil)
		for i, grown := range s.grown {
			if float64(grown) < unbelievable*float64(s.footprint.GPUBytes) {
				f.log.Warn().Str("gpu", s.plan.Devices[i].UUID).Int64("grown_mib", grown>>20).Int64("server_says_mib", s.footprint.GPUBytes>>20).
					Msg("the driver sees far less memory in use than the server claims to have on its GPUs")
			}
		}
	}
}
