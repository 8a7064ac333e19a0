package batcher

import (
	"math/rand"
	"reflect"
	"slices"
	"testing"
	"testing/quick"

	"fluxworker/gpu"
	"fluxworker/modelcfg"
	"fluxworker/test/seed"
)

// scene is a random model on random devices.
type scene struct {
	model   modelcfg.Model
	devices []gpu.Device
	wish    Request
}

// Generate makes scenes in which a model sometimes fits, and sometimes not.
func (scene) Generate(r *rand.Rand, _ int) reflect.Value {
	pick := func(values ...int) int { return values[r.Intn(len(values))] }
	a := modelcfg.Architecture{Family: []string{"x", "gemma3", "gpt-oss", "qwen35", "laguna"}[r.Intn(5)], DraftLayers: pick(0, 0, 1), HostBytes: int64(pick(0, 300<<20)),
		RecurrentLength: pick(0, 30000), WindowKeyLength: pick(0, 32), WeightsBytes: r.Int63n(90*gib) + 1, Layers: 1 + r.Intn(100), Heads: pick(1, 8, 64),
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
	s := scene{model: m, wish: Request{Slots: pick(0, 0, 1, 30), Context: pick(0, 100, 5000, 40000), Ubatch: pick(0, 0, 128, 4096),
		Runner: []Runner{"", LlamaServer, LlamaRunner, OllamaEngine}[r.Intn(4)], Drafts: pick(0, 0, 4), Embeds: r.Intn(8) == 0, NoFlashAttention: []string{"", "", "", "no"}[r.Intn(4)],
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
	seed.EachNumber(t, seed.First(1), func(t *testing.T, seed uint64) {
		if err := quick.Check(f, &quick.Config{MaxCount: 3000, Rand: rand.New(rand.NewSource(int64(seed)))}); err != nil {
			t.Error(err)
		}
	})
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
		limit := s.wish.Slots
		if limit == 0 {
			limit = 200
		}
		for _, server := range p.Servers {
			if server.Slots > limit || s.model.Architecture.SingleSlot && server.Slots != 1 {
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

// On any number of devices, however the layout changes: some of them get more memory, each by its own amount.
func TestMoreMemoryNeverGivesFewerSlots(t *testing.T) {
	grew, regrouped := 0, 0
	property(t, func(s scene, extra [5]uint32, shift uint8) bool {
		before, err := s.decide()
		for i := range s.devices {
			s.devices[i].Memory.Free += uint64(extra[i]) << (shift % 5) // up to 64 GiB
		}
		after, _ := s.decide()
		if err == nil && after.Slots > before.Slots {
			grew++
		}
		if err == nil && len(before.Servers) != len(after.Servers) {
			regrouped++
		}
		return after.Slots >= before.Slots
	})
	if grew == 0 || regrouped == 0 {
		t.Errorf("%d plans grew, and %d got another layout", grew, regrouped)
	}
}

// FuzzMoreMemoryNeverGivesFewerSlots is for the free memory of three GPUs, in MiB, and what two of them get more. The model
// is one that needs a group of some, and one GPU of others. The seed is where groups turn into single servers.
func FuzzMoreMemoryNeverGivesFewerSlots(f *testing.F) {
	f.Add(uint32(54<<10), uint32(84<<10), uint32(52<<10), uint16(1<<10), uint16(5<<10), byte(64))
	f.Add(uint32(39<<10), uint32(39<<10), uint32(39<<10), uint16(4<<10), uint16(4<<10), byte(16))
	f.Fuzz(func(t *testing.T, a, b, c uint32, more, evenMore uint16, limit byte) {
		m := big()
		m.Validation.BatchSizeRange = &modelcfg.Range{Low: 1, High: float64(max(limit, 1))}
		slots := func(free ...uint32) int {
			devices := cards(len(free), "GPU", 141)
			for i := range devices {
				devices[i].Memory.Free = min(uint64(free[i])<<20, devices[i].Memory.Free)
			}
			p, _ := Decide(m, m.Architecture, devices, Request{})
			return p.Slots
		}
		before := slots(a, b, c)
		for _, free := range [][]uint32{{a + uint32(more), b, c + uint32(evenMore)}, {a + uint32(evenMore), b + uint32(evenMore), c + uint32(evenMore)}, {a, b, c, c}} {
			if after := slots(free...); a < 1<<31 && b < 1<<31 && c < 1<<31 && after < before {
				t.Errorf("%d slots with %d MiB, %d with %d", before, []uint32{a, b, c}, after, free)
			}
		}
	})
}

// Of the choices in a plan a larger ubatch never has more slots, and the plan has the most of all.
func TestLargerUbatchNeverGivesMoreSlots(t *testing.T) {
	differ := 0
	property(t, func(s scene) bool {
		s.wish.Ubatch, s.wish.Embeds = 0, false
		p, err := s.decide()
		if err != nil || p.RuleOfThumb {
			return true
		}
		for i, c := range p.Ubatches {
			if i > 0 && c.Slots < p.Ubatches[i-1].Slots || c.Slots > p.Slots || c.Ubatch == p.Ubatch && c.Slots != p.Slots {
				return false
			}
		}
		if p.Ubatches[0].Slots < p.Slots {
			differ++
		}
		return true
	})
	if differ == 0 {
		t.Error("in no plan a larger ubatch costs slots")
	}
}

func TestMoreDevicesNeverGiveFewerSlots(t *testing.T) {
	property(t, func(s scene, which uint8) bool {
		all := s.slots()
		i := int(which) % len(s.devices)
		s.devices = slices.Delete(slices.Clone(s.devices), i, i+1)
		return s.slots() <= all
	})
}

func TestMoreContextNeverGivesMoreSlots(t *testing.T) {
	property(t, func(s scene, extra uint16) bool {
		if s.wish.Context == 0 {
			s.wish.Context = DefaultContext
		}
		before := s.slots()
		s.wish.Context += int(extra)
		return s.slots() <= before
	})
}

// GPUs are grouped only where that gives more slots than a server on each of them, and then without need of more memory
// than they have. Where none holds the model alone, a group takes what its GPUs have.
func TestGroupsAreWorthIt(t *testing.T) {
	grouped, needed := 0, 0
	property(t, func(s scene) bool {
		p, err := s.decide()
		if err != nil {
			return true
		}
		apart := 0
		for i := range s.devices {
			one := s
			one.devices = s.devices[i : i+1]
			apart += one.slots()
		}
		together := slices.ContainsFunc(p.Servers, func(s Server) bool { return len(s.Devices) > 1 })
		if together && p.Slots <= apart || !together && p.Slots != apart {
			t.Errorf("%d slots with groups (%t), %d without", p.Slots, together, apart)
		}
		if together {
			grouped++
		}
		first := p.Servers[0]
		if n := len(first.Devices); n != 2 && n != 3 || len(p.Servers) > 1 || apart > 0 || s.model.Architecture.SingleSlot || n == 3 && s.pairFits() {
			return !t.Failed()
		}
		needed++
		j := job{spec: p.spec(s.wish)}
		j.spec.ubatch = int64(p.Ubatch)
		j.memoryFor, _, _ = newMemoryFor(s.model, s.model.Architecture)
		_, limit := new(Plan).slotRange(s.model, s.wish, false)
		if first.Slots < limit && j.bytes(first.Slots+1, len(first.Devices)) <= slices.Min(first.Headroom) {
			t.Errorf("%d slots of at most %d in a group of %d that holds more", first.Slots, limit, len(first.Devices))
		}
		return !t.Failed()
	})
	if grouped == 0 || needed == 0 {
		t.Errorf("%d scenes with groups, %d of them of GPUs that hold nothing alone", grouped, needed)
	}
}

// pairFits says whether two of the devices hold the model.
func (s scene) pairFits() bool {
	for i := range s.devices {
		pair := s
		pair.devices = slices.Delete(slices.Clone(s.devices), i, i+1)
		if pair.slots() > 0 {
			return true
		}
	}
	return false
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
