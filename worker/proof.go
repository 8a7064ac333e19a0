package worker

import (
	"context"
	"fmt"

	"fluxworker/gpu"
	"fluxworker/worker/ollama"
)

// spilled tells whether a server that has GPUs keeps some of the model elsewhere. Ollama never refuses a load for lack of
// GPU memory: layers quietly go to the CPU, and every token waits for them.
func (r *run) spilled(m *member) bool {
	if r.Server.Device == ollama.DeviceCPU {
		return false
	}
	if m.footprint.GPUBytes < m.footprint.Bytes {
		return true
	}
	return m.layers != nil && m.layers.GPU < m.layers.All
}

// unbelievable is the part of what a server claims to have on its GPUs below which the driver's own number casts doubt on
// the claim. It is only told: other jobs' processes on the same GPU come and go, and that moves the number, too.
const unbelievable = 0.25

// SpillError is a model that the server could not keep on the GPU, however few slots it got.
type SpillError struct {
	Model   string
	Slots   int
	Context int
	Bytes   int64 // what the server wanted
	OnGPU   int64 // what of it was on the GPU
}

func (e *SpillError) Error() string {
	return fmt.Sprintf("model %s does not fit: with %d slots of %d tokens the server put %d of %d MiB on the GPU; allow a smaller context with --min-context, take a smaller --kv-cache-type, a smaller model or more GPUs",
		e.Model, e.Slots, e.Context, e.OnGPU>>20, e.Bytes>>20)
}

// shrink gives a server that spilled a quarter fewer slots, at least one fewer; below one slot half the context, where
// the user allowed that.
func (r *run) shrink(m *member) error {
	was := m.slots
	switch {
	case m.slots > 1:
		m.slots -= max(1, m.slots/4)
	case r.fit == nil && r.Wish.MinContext > 0 && m.context > r.Wish.MinContext:
		m.context = max(m.context/2, r.Wish.MinContext)
	default:
		return &SpillError{Model: r.Defaults.Model, Slots: m.slots, Context: m.context, Bytes: m.footprint.Bytes, OnGPU: m.footprint.GPUBytes}
	}
	r.log.Warn().Str("server", m.name).Int("slots_were", was).Int("slots", m.slots).Int("context", m.context).
		Int64("bytes", m.footprint.Bytes).Int64("bytes_on_gpu", m.footprint.GPUBytes).
		Msg("not all of the model is on the GPU; starting the server again with less")
	return nil
}

// usedMemory is how much of each of the run's GPUs is in use, by UUID; nil where there is none to measure.
func (r *run) usedMemory(ctx context.Context) map[string]uint64 {
	if len(r.gpus) == 0 {
		return nil
	}
	report, err := gpu.Query(ctx)
	if err != nil {
		r.log.Warn().Err(err).Msg("the GPUs' memory cannot be measured now")
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
func (r *run) grown(ctx context.Context, m *member) []int64 {
	if r.usedBefore == nil || ctx.Err() != nil {
		return nil
	}
	return r.grownBy(r.usedMemory(ctx), m)
}

func (r *run) grownBy(used map[string]uint64, m *member) []int64 {
	if used == nil {
		return nil
	}
	grown := make([]int64, len(m.plan.Devices))
	for i, d := range m.plan.Devices {
		grown[i] = int64(used[d.UUID]) - int64(r.usedBefore[d.UUID])
	}
	return grown
}

// measure notes for each server what its GPUs have in use now, beside what was planned. One that was left out was
// measured before it was ended.
func (r *run) measure(ctx context.Context, members []*member) {
	if r.usedBefore == nil || ctx.Err() != nil {
		return
	}
	used := r.usedMemory(ctx)
	for _, m := range members {
		if m.leftOut != nil {
			continue
		}
		m.grown = r.grownBy(used, m)
		r.note(m, nil)
		for i, grown := range m.grown {
			if float64(grown) < unbelievable*float64(m.footprint.GPUBytes) {
				r.log.Warn().Str("gpu", m.plan.Devices[i].UUID).Int64("grown_mib", grown>>20).Int64("server_says_mib", m.footprint.GPUBytes>>20).
					Msg("the driver sees far less memory in use than the server claims to have on its GPUs")
			}
		}
	}
}
