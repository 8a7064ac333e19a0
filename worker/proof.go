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
	case r.Wish.MinContext > 0 && m.context > r.Wish.MinContext:
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

// measure notes for each server how much more of its GPUs is in use since before, beside what was planned. Servers that
// share a GPU share the number.
func (r *run) measure(ctx context.Context, before map[string]uint64, members []*member) {
	if before == nil {
		return
	}
	after := r.usedMemory(ctx)
	if after == nil {
		return
	}
	for i, m := range members {
		for _, d := range m.plan.Devices {
			grown := int64(after[d.UUID]) - int64(before[d.UUID])
			r.manifest.Plan.Servers[i].MeasuredBytes = append(r.manifest.Plan.Servers[i].MeasuredBytes, grown)
			if float64(grown) < unbelievable*float64(m.footprint.GPUBytes) {
				r.log.Warn().Str("gpu", d.UUID).Int64("grown_mib", grown>>20).Int64("server_says_mib", m.footprint.GPUBytes>>20).
					Msg("the driver sees far less memory in use than the server claims to have on its GPUs")
			}
		}
	}
}
