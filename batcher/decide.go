package batcher

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"fluxworker/gpu"
	"fluxworker/modelcfg"
)

// ErrNoDevice means that no GPU is usable and that Request.CPU is not set.
var ErrNoDevice = errors.New("no usable GPU")

// maxContext limits the context of a model with an unknown context length.
const maxContext = 1 << 24

// Decide returns the plan for a model on devices. a is the server's description of the model (FromMetadata) if there is
// one; m.Architecture replaces it if it is incomplete. The error is a *LayersError, *CacheTypeError, *UnknownSizeError,
// *DoesNotFitError or ErrNoDevice.
func Decide(m modelcfg.Model, a modelcfg.Architecture, devices []gpu.Device, w Request) (Plan, error) {
	if !known(a) && known(m.Architecture) {
		one := a.SingleSlot
		a = m.Architecture
		a.SingleSlot = a.SingleSlot || one
	}
	p := Plan{Context: w.Context, KVCacheType: w.KVCacheType}
	if err := p.checkRequest(m, a, w); err != nil {
		return Plan{}, err
	}
	j := job{spec: p.spec(w), oneSlot: a.SingleSlot}
	j.wantedSlots, j.maxSlots = p.slotRange(m, w, a.SingleSlot)
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
	if j.memoryFor, p.RuleOfThumb, err = newMemoryFor(m, a); err != nil {
		return Plan{}, err
	}
	j.memoryFor = w.Learned.corrected(j.memoryFor)
	choices := j.ubatches(a.Family, w, p.RuleOfThumb)
	placements := p.chooseUbatch(&j, choices)
	if len(placements) == 0 && w.MinContext > 0 {
		placements = p.shorten(&j, choices, w.MinContext)
	}
	if len(placements) == 0 && w.AllowCPULayers {
		p.spill(j)
	} else if len(placements) == 0 {
		return Plan{}, doesNotFit(m.Name, j, p.Devices)
	}
	p.serve(j, placements)
	p.explainUbatch(j, w)
	p.Host = p.host(a, j, w)
	p.explain(m, a, j, w)
	return p, nil
}

// checkRequest sets the plan's context and KV cache type, and returns an error for an invalid request.
func (p *Plan) checkRequest(m modelcfg.Model, a modelcfg.Architecture, w Request) error {
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
	limit := a.ContextLength
	if limit <= 0 {
		limit = maxContext
	}
	if p.Context > limit {
		p.warn("model %s has a context length of %d: taking it instead of %d", m.Name, limit, p.Context)
		p.Context, from = limit, "the model's context length"
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
		p.warn("--allow-cpu-layers: gpu_layers is %d: the layers beyond run on the CPU, many times slower", on)
	}
	return nil
}

// slotRange returns the wanted and the maximum number of slots per server. For families with one slot, these are
// numbers of servers per GPU, and the maximum is the YAML's batch size: each server has its own copy of the weights,
// and the servers take turns.
func (p *Plan) slotRange(m modelcfg.Model, w Request, oneSlot bool) (wanted, limit int) {
	wanted, from := m.Resources.BatchSize, "resources.batch_size"
	if wanted == 0 {
		wanted, from = DefaultSlots, "default"
	}
	limits := m.Validation.BatchSizeRange
	if w.Slots > 0 {
		wanted = min(w.Slots, MaxSlots)
		p.source(SlotsWanted, fmt.Sprintf("%d", wanted), "asked for")
		if limits != nil && !limits.Contains(float64(wanted)) {
			p.warn("batch size %d is outside batch_size_range %g to %g of %s", wanted, limits.Low, limits.High, m.Name)
		}
		return wanted, wanted
	}
	p.source(SlotsWanted, fmt.Sprintf("at least %d", wanted), from)
	limit, from = max(wanted, maxAutomaticSlots), "default"
	if limits != nil {
		limit, from = min(max(int(limits.High), 1), MaxSlots), "validation.batch_size_range"
		wanted = min(wanted, limit)
	}
	if oneSlot {
		limit = wanted
		from = "resources.batch_size, as the family has one slot in each server"
	}
	if held := w.Learned.mostSlots(p.Context); held > 0 && held < limit {
		limit, wanted = held, min(wanted, held)
		from = w.Learned.From + ", whose server did not hold more"
	}
	p.source("slots at most", fmt.Sprintf("%d", limit), from)
	return wanted, limit
}

func (p *Plan) utilization(m modelcfg.Model) float64 {
	u, from := m.Requirements.GPUMemoryUtilization, "requirements.gpu_memory_utilization"
	if !(u > 0 && u <= 1) {
		u, from = defaultUtilization, "default"
	}
	p.source("GPU memory utilization", fmt.Sprintf("%g", u), from)
	return u
}

// spec returns what all servers of the plan have in common.
func (p *Plan) spec(w Request) serverSpec {
	runner := w.Runner
	if runner == "" {
		runner = LlamaServer
	}
	return serverSpec{context: int64(p.Context), cache: p.KVCacheType, ubatch: int64(cmp.Or(w.Ubatch, defaultUbatch)), runner: runner,
		noFlash: w.NoFlashAttention != "", embeds: w.Embeds, drafts: int64(w.Drafts)}
}

// unchecked returns a plan with one server and the wanted slots.
func (p *Plan) unchecked(m modelcfg.Model, a modelcfg.Architecture, j job, w Request) Plan {
	slots := j.wantedSlots
	if a.SingleSlot && slots > 1 {
		p.warn("Ollama answers one row at a time for models such as %s: one slot instead of %d", m.Name, slots)
		slots = 1
	}
	if !w.CPU {
		p.warn("the GPUs' memory was not measured: whether %d slots fit is not checked", slots)
	}
	p.Slots, p.Ubatch, p.Servers = slots, w.Ubatch, []Server{{Slots: slots}}
	p.Host = p.host(a, j, w)
	return *p
}

// serve converts placements to servers.
func (p *Plan) serve(j job, placements []placement) {
	for _, at := range placements {
		count, slots := 1, at.slots
		if j.oneSlot {
			count, slots = at.slots, 1
		}
		terms := j.terms(slots, len(at.devices))
		for range count {
			s := Server{Slots: slots, Terms: terms, Bytes: sum(terms)}
			if len(at.devices) > 1 {
				s.BytesElsewhere = sumElsewhere(terms)
			}
			for n, i := range at.devices {
				b := &p.Devices[i]
				b.Planned += s.on(n)
				s.Devices = append(s.Devices, b.Device)
				s.Headroom = append(s.Headroom, b.Headroom)
			}
			p.Slots += slots
			p.Servers = append(p.Servers, s)
		}
	}
}

// on returns the memory on the server's device with the index i.
func (s Server) on(i int) int64 {
	if i == 0 {
		return s.Bytes
	}
	return s.BytesElsewhere
}

// shorten returns the placements for the longest context, a multiple of 256 and at least minimum, with which one slot
// fits. The bytes never fall with the context, so it uses a binary search.
func (p *Plan) shorten(j *job, choices []int64, minimum int) []placement {
	wanted := p.Context
	context := longestContext(*j, func(j job) bool { return len(j.packDevices(p.Devices)) > 0 }, minimum, wanted)
	if context == 0 {
		return nil
	}
	p.Context, j.spec.context = context, int64(context)
	p.warn("not one slot of %d tokens fits: taking a context of %d", wanted, context)
	p.source("context", fmt.Sprintf("%d tokens", context), "the most that fits")
	return p.chooseUbatch(j, choices)
}

// spill plans one server on all whole GPUs, or on the largest MIG instance; the part that does not fit goes to the CPU.
func (p *Plan) spill(j job) {
	at := widest(p.Devices)
	slots := j.wantedSlots
	if j.oneSlot {
		slots = 1
	}
	terms := j.terms(slots, len(at))
	s := Server{Slots: slots, Terms: terms, Bytes: sum(terms)}
	if len(at) > 1 {
		s.BytesElsewhere = sumElsewhere(terms)
	}
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

// source stores the origin of a number; it replaces an earlier origin of the same number.
func (p *Plan) source(what, value, from string) {
	for i := range p.Sources {
		if p.Sources[i].What == what {
			p.Sources[i] = Source{what, value, from}
			return
		}
	}
	p.Sources = append(p.Sources, Source{what, value, from})
}
