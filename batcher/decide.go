package batcher

import (
	"errors"
	"fmt"
	"slices"

	"fluxworker/gpu"
	"fluxworker/modelcfg"
)

// ErrNoDevice says that there is no GPU that could be used, and that none was renounced.
var ErrNoDevice = errors.New("no usable GPU")

// mostContext bounds the context of a model whose own is not known.
const mostContext = 1 << 24

// Decide makes the plan for a model on devices. a is what the server says of the model where it has it (FromMetadata), else
// m.Architecture, which also takes the place of one that lacks numbers. The error is a *LayersError, *CacheTypeError, *UnknownSizeError, *DoesNotFitError or ErrNoDevice.
func Decide(m modelcfg.Model, a modelcfg.Architecture, devices []gpu.Device, w Wish) (Plan, error) {
	if !Known(a) && Known(m.Architecture) {
		one := a.SingleSlot
		a = m.Architecture
		a.SingleSlot = a.SingleSlot || one
	}
	p := Plan{Context: w.Context, KVCacheType: w.KVCacheType}
	if err := p.settle(m, a, w); err != nil {
		return Plan{}, err
	}
	j := job{shape: shape{context: int64(p.Context), cache: p.KVCacheType, noFlash: w.NoFlashAttention != ""}, oneSlot: a.SingleSlot}
	j.start, j.most = p.slotRange(m, w, a.SingleSlot)
	if w.CPU || w.Unchecked {
		return p.unchecked(m, a, j, w), nil
	}

	utilization := p.utilization(m)
	for _, d := range devices {
		p.Devices = append(p.Devices, budget(d, utilization))
	}
	if !slices.ContainsFunc(p.Devices, func(b Budget) bool { return b.Unusable == "" }) {
		return Plan{}, ErrNoDevice
	}
	var err error
	if j.demand, p.RuleOfThumb, err = demandOf(m, a); err != nil {
		return Plan{}, err
	}
	placed := j.place(p.Devices)
	if len(placed) == 0 && w.MinContext > 0 {
		placed = p.shorten(&j, w.MinContext)
	}
	if len(placed) == 0 && w.AllowCPULayers {
		p.spill(j)
	} else if len(placed) == 0 {
		return Plan{}, misfit(m.Name, j, p.Devices)
	}
	p.serve(j, placed)
	p.Host = p.host(a, j, w)
	p.explain(m, a, j, w)
	return p, nil
}

// settle checks what the plan starts from.
func (p *Plan) settle(m modelcfg.Model, a modelcfg.Architecture, w Wish) error {
	if p.KVCacheType == "" {
		p.KVCacheType = cacheTypes[0]
	}
	if !slices.Contains(cacheTypes, p.KVCacheType) {
		return &CacheTypeError{p.KVCacheType}
	}
	from := "asked for"
	if p.Context <= 0 {
		p.Context, from = DefaultContext, "default"
	}
	most := a.ContextLength
	if most <= 0 {
		most = mostContext
	}
	if p.Context > most {
		p.warn("model %s has a context length of %d: taking it instead of %d", m.Name, most, p.Context)
		p.Context, from = most, "the model's context length"
	}
	p.source("context", fmt.Sprintf("%d tokens", p.Context), from)
	from = "default"
	if w.KVCacheType != "" {
		from = "asked for"
	}
	if flat := cacheTypes[0]; w.NoFlashAttention != "" && p.KVCacheType != flat {
		p.warn("the KV cache is %s instead of %s: a smaller one needs flash attention, and %s", flat, p.KVCacheType, w.NoFlashAttention)
		p.KVCacheType, from = flat, "all there is without flash attention"
	}
	p.source("KV cache type", p.KVCacheType, from)
	if w.NoFlashAttention != "" {
		p.source("flash attention", "no", w.NoFlashAttention)
	} else {
		p.source("flash attention", "yes", "Ollama is told to")
	}

	if on, all, partial := m.PartialGPULayers(); partial && !w.CPU {
		if !w.AllowCPULayers {
			return &LayersError{Model: m, GPULayers: on, Layers: all}
		}
		p.warn("--allow-cpu-layers: gpu_layers is %d, but how many layers go to the GPU is Ollama's decision; those that do not fit run on the CPU, many times slower", on)
	}
	return nil
}

// slotRange is how many slots a server should have at least and may have at most; of families with one slot how many servers
// share a GPU. Their number is not raised beyond the YAML's batch size: each has the weights again, and they take turns.
func (p *Plan) slotRange(m modelcfg.Model, w Wish, oneSlot bool) (start, most int) {
	start, from := m.Resources.BatchSize, "resources.batch_size"
	if start == 0 {
		start, from = DefaultSlots, "default"
	}
	limits := m.Validation.BatchSizeRange
	if w.Slots > 0 {
		start = min(w.Slots, MaxSlots)
		p.source(SlotsWanted, fmt.Sprintf("%d", start), "asked for")
		if limits != nil && !limits.Contains(float64(start)) {
			p.warn("batch size %d is outside batch_size_range %g to %g of %s", start, limits.Low, limits.High, m.Name)
		}
		return start, start
	}
	p.source(SlotsWanted, fmt.Sprintf("at least %d", start), from)
	most, from = max(start, mostAutomatic), "default"
	if limits != nil {
		most, from = min(max(int(limits.High), 1), MaxSlots), "validation.batch_size_range"
		start = min(start, most)
	}
	if oneSlot {
		most = start
		from = "resources.batch_size, as the family has one slot in each server"
	}
	p.source("slots at most", fmt.Sprintf("%d", most), from)
	return start, most
}

func (p *Plan) utilization(m modelcfg.Model) float64 {
	u, from := m.Requirements.GPUMemoryUtilization, "requirements.gpu_memory_utilization"
	if !(u > 0 && u <= 1) {
		u, from = defaultUtilization, "default"
	}
	p.source("GPU memory utilization", fmt.Sprintf("%g", u), from)
	return u
}

// unchecked is one server with the slots that were asked for or that the YAML says.
func (p *Plan) unchecked(m modelcfg.Model, a modelcfg.Architecture, j job, w Wish) Plan {
	slots := j.start
	if a.SingleSlot && slots > 1 {
		p.warn("Ollama answers one row at a time for models such as %s: one slot instead of %d", m.Name, slots)
		slots = 1
	}
	if !w.CPU {
		p.warn("the GPUs' memory was not measured: whether %d slots fit is not checked", slots)
	}
	p.Slots, p.Servers = slots, []Server{{Slots: slots}}
	p.Host = p.host(a, j, w)
	return *p
}

// serve turns placements into servers.
func (p *Plan) serve(j job, placed []placement) {
	for _, at := range placed {
		count, slots := 1, at.slots
		if j.oneSlot {
			count, slots = at.slots, 1
		}
		terms := j.terms(slots, len(at.devices))
		for range count {
			s := Server{Slots: slots, Terms: terms, Bytes: sum(terms)}
			for _, i := range at.devices {
				b := &p.Devices[i]
				b.Planned += s.Bytes
				s.Devices = append(s.Devices, b.Device)
				s.Headroom = append(s.Headroom, b.Headroom)
			}
			p.Slots += slots
			p.Servers = append(p.Servers, s)
		}
	}
}

// shorten finds the longest context, a multiple of 256 and at least least, with which one slot fits somewhere. Bytes never
// fall with the context, so halving finds it.
func (p *Plan) shorten(j *job, least int) []placement {
	wanted := p.Context
	context := longestContext(*j, func(j job) bool { return len(j.place(p.Devices)) > 0 }, least, wanted)
	if context == 0 {
		return nil
	}
	p.Context, j.shape.context = context, int64(context)
	p.warn("not one slot of %d tokens fits: taking a context of %d", wanted, context)
	p.source("context", fmt.Sprintf("%d tokens", context), "the most that fits")
	return j.place(p.Devices)
}

// spill plans one server over all whole GPUs, or the largest MIG instance, whose excess goes to the CPU.
func (p *Plan) spill(j job) {
	at := widest(p.Devices)
	slots := j.start
	if j.oneSlot {
		slots = 1
	}
	terms := j.terms(slots, len(at))
	s := Server{Slots: slots, Terms: terms, Bytes: sum(terms)}
	for _, i := range at {
		b := &p.Devices[i]
		s.Devices, s.Headroom = append(s.Devices, b.Device), append(s.Headroom, b.Headroom)
		s.Spill = max(s.Spill, s.Bytes-b.Headroom)
		b.Planned = min(s.Bytes, b.Headroom)
	}
	p.Slots, p.Servers = slots, []Server{s}
	p.warn("--allow-cpu-layers: the model lacks %s of GPU memory: layers will run on the CPU, many times slower", Size(s.Spill))
}

func (p *Plan) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

// source notes where a number came from; a later note on the same takes the earlier one's place.
func (p *Plan) source(what, value, from string) {
	for i := range p.Sources {
		if p.Sources[i].What == what {
			p.Sources[i] = Source{what, value, from}
			return
		}
	}
	p.Sources = append(p.Sources, Source{what, value, from})
}
