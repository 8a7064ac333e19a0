package batcher

import (
	"math/rand"
	"reflect"
	"slices"
	"testing"
	"testing/quick"

	"fluxworker/gpu"
	"fluxworker/modelcfg"
)

// scene is a random model on random devices.
type scene struct {
	model   modelcfg.Model
	devices []gpu.Device
	wish    Wish
}

// Generate makes scenes in which a model sometimes fits, and sometimes not.
func (scene) Generate(r *rand.Rand, _ int) reflect.Value {
	pick := func(values ...int) int { return values[r.Intn(len(values))] }
	a := modelcfg.Architecture{Family: "x", WeightsBytes: r.Int63n(90*gib) + 1, Layers: 1 + r.Intn(100), Heads: pick(1, 8, 64),
		KeyLength: pick(64, 128, 256), ValueLength: pick(64, 128), EmbeddingLength: pick(64, 4096, 8192), FeedForwardLength: pick(0, 14336),
		Vocabulary: pick(0, 32000, 262144), ExpertsUsed: pick(0, 2, 8), ContextLength: pick(0, 8192, 131072),
		SlidingWindow: pick(0, 0, 512, 4096), SlidingWindowPattern: pick(0, 2, 6), StateBytes: int64(pick(0, 0, 50<<20)),
		Vision: r.Intn(4) == 0, SingleSlot: r.Intn(4) == 0, LatentLength: pick(0, 0, 0, 576)}
	if r.Intn(3) > 0 { // most models are small
		a.WeightsBytes /= 10
	}
	for range a.Layers {
		a.KVHeads = append(a.KVHeads, pick(0, 1, 8, 8))
	}
	m := modelcfg.Model{Name: "m:7b", Architecture: a, Resources: modelcfg.Resources{BatchSize: pick(0, 1, 4, 12)}}
	if r.Intn(2) == 0 {
		m.Validation.BatchSizeRange = &modelcfg.Range{Low: 1, High: float64(pick(12, 24, 200))}
	}
	if r.Intn(5) == 0 { // by rule of thumb
		m.Architecture.KVHeads = nil
		m.Requirements.MinGPUMemory = r.Int63n(40*gib) + 1
	}
	m.Requirements.GPUMemoryUtilization = []float64{0, 0.5, 0.9, 1}[r.Intn(4)]
	s := scene{model: m, wish: Wish{Slots: pick(0, 0, 1, 30), Context: pick(0, 100, 5000, 40000), NoFlashAttention: r.Intn(4) == 0,
		KVCacheType: []string{"", "q8_0", "q4_0"}[r.Intn(3)]}}
	for i := range 1 + r.Intn(5) {
		d := card(i, "GPU", 1+90*r.Float64())
		if r.Intn(4) == 0 {
			d = slice(i, "1g.10gb", 5+20*r.Float64())
		}
		d.Memory.Free -= uint64(r.Int63n(int64(d.Memory.Free)/2 + 1))
		d.Health.Lost = r.Intn(12) == 0
		s.devices = append(s.devices, d)
	}
	return reflect.ValueOf(s)
}

func (s scene) decide() (Plan, error) {
	return Decide(s.model, s.model.Architecture, s.devices, s.wish)
}

func property(t *testing.T, f any) {
	t.Helper()
	count := 3000
	if testing.Short() {
		count = 300
	}
	if err := quick.Check(f, &quick.Config{MaxCount: count}); err != nil {
		t.Error(err)
	}
}

func TestPlansAreSound(t *testing.T) {
	fitted := 0
	property(t, func(s scene) bool {
		p, err := s.decide()
		if err != nil {
			return true
		}
		fitted++
		check(t, p, s.wish)
		again, _ := s.decide()
		most := s.wish.Slots
		if most == 0 {
			most = 200
		}
		for _, server := range p.Servers {
			if server.Slots > most || s.model.Architecture.SingleSlot && server.Slots != 1 {
				t.Errorf("%d slots", server.Slots)
			}
		}
		return !t.Failed() && reflect.DeepEqual(p, again)
	})
	if fitted == 0 {
		t.Error("no scene fits")
	}
}

// slots counts 0 for what does not fit.
func (s scene) slots() int {
	p, err := s.decide()
	if err != nil {
		return 0
	}
	return p.Slots
}

func TestMoreMemoryNeverGivesFewerSlots(t *testing.T) {
	property(t, func(s scene, extra uint32) bool {
		s.devices = s.devices[:1]
		before := s.slots()
		s.devices[0].Memory.Free += uint64(extra) * 8
		return s.slots() >= before
	})
}

func TestMoreContextNeverGivesMoreSlots(t *testing.T) {
	property(t, func(s scene, extra uint16) bool {
		s.devices = s.devices[:1]
		before := s.slots()
		s.wish.Context = max(s.wish.Context, 1) + int(extra)
		if s.wish.Context == int(extra)+1 {
			s.wish.Context += DefaultContext
		}
		return s.slots() <= before
	})
}

// TestMoreMemoryOnSeveralDevices: with the same layout there are never fewer slots. Whatever the layout, a plan never
// becomes none, and never are there fewer servers with enough slots.
func TestMoreMemoryOnSeveralDevices(t *testing.T) {
	groups := func(p Plan) (sizes []int) {
		for _, s := range p.Servers {
			sizes = append(sizes, len(s.Devices))
		}
		return sizes
	}
	same := 0
	property(t, func(s scene, extra uint32) bool {
		before, err := s.decide()
		if err != nil {
			return true
		}
		for i := range s.devices {
			s.devices[i].Memory.Free += uint64(extra) * 4
		}
		after, err := s.decide()
		if err != nil {
			return false
		}
		enough := func(p Plan) (n int) {
			j := job{rough: p.RuleOfThumb, shape: shape{context: int64(p.Context), cache: p.KVCacheType}}
			j.demand, _, _ = demandOf(s.model, s.model.Architecture)
			j.start, j.most = new(Plan).slotRange(s.model, s.wish, false)
			for _, server := range p.Servers {
				if j.enough(server.Slots, len(server.Devices), slices.Min(server.Headroom)) {
					n++
				}
			}
			return n
		}
		if !s.model.Architecture.SingleSlot && enough(after) < enough(before) {
			return false
		}
		if !reflect.DeepEqual(groups(before), groups(after)) {
			return true
		}
		same++
		return after.Slots >= before.Slots
	})
	if same == 0 {
		t.Error("the layout is never the same")
	}
}

func TestQuantisedCacheNeverGivesFewerSlots(t *testing.T) {
	property(t, func(s scene) bool {
		s.devices = s.devices[:1]
		s.wish.KVCacheType = "f16"
		whole := s.slots()
		s.wish.KVCacheType = "q8_0"
		half := s.slots()
		// With one layer or two the scratch of a quantised cache weighs as much as the cache.
		return half >= whole || s.model.Architecture.Layers < 8 || manyIdleLayers(s.model.Architecture)
	})
}

// manyIdleLayers says that few layers have a cache that grows with the context.
func manyIdleLayers(a modelcfg.Architecture) bool {
	full, window, largest := elementsPerCell(a)
	return full+window == 0 || a.SlidingWindow > 0 || full < 4*largest
}
