package batcher

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fluxworker/gpu"
	"fluxworker/modelcfg"
)

// card is a whole GPU with all its memory free but for what the driver reserves.
func card(index int, kind string, totalGiB float64) gpu.Device {
	total := uint64(totalGiB * float64(gib))
	reserved := uint64(600 * mib)
	return gpu.Device{Index: index, UUID: fmt.Sprintf("GPU-%d", index), Name: kind, ComputeCapability: "8.0",
		Memory: gpu.Memory{Total: total, Reserved: reserved, Free: total - reserved}}
}

// slice is a MIG instance.
func slice(index int, profile string, totalGiB float64) gpu.Device {
	d := card(index, "NVIDIA A100", totalGiB)
	d.UUID, d.Parent, d.MIGProfile = fmt.Sprintf("MIG-%d", index), "GPU-parent", profile
	return d
}

func cards(n int, kind string, totalGiB float64) []gpu.Device {
	devices := make([]gpu.Device, n)
	for i := range devices {
		devices[i] = card(i, kind, totalGiB)
	}
	return devices
}

func llamaModel() modelcfg.Model {
	return modelcfg.Model{Name: "llama3.1:8b", File: "m.yaml", Architecture: llama8B(), Resources: modelcfg.Resources{BatchSize: 6},
		Validation: modelcfg.Validation{BatchSizeRange: &modelcfg.Range{Low: 1, High: 64}}}
}

// big is a model of 40 GB, which needs 54 GiB or more with 6 slots.
func big() modelcfg.Model {
	m := llamaModel()
	m.Name = "big:70b"
	m.Architecture.WeightsBytes, m.Architecture.Layers, m.Architecture.KVHeads = 40_000_000_000, 80, repeat(8, 80)
	m.Validation.BatchSizeRange.High = 16 // the catalog's for this size
	return m
}

// light is a model of 3 GB.
func light() modelcfg.Model {
	m := llamaModel()
	m.Architecture.WeightsBytes = 3_000_000_000
	return m
}

// layout writes a plan as "devices:slots devices:slots".
func layout(p Plan) string {
	var parts []string
	for _, s := range p.Servers {
		var ids []string
		for _, d := range s.Devices {
			ids = append(ids, fmt.Sprint(d.Index))
		}
		parts = append(parts, fmt.Sprintf("%s:%d", strings.Join(ids, "+"), s.Slots))
	}
	return strings.Join(parts, " ")
}

func TestDecide(t *testing.T) {
	single := llamaModel()
	single.Architecture.SingleSlot = true
	bare := modelcfg.Model{Name: "bare", Architecture: llama8B()}
	few, all := 20, 32
	partial, whole := llamaModel(), llamaModel()
	partial.Resources.GPULayers, whole.Resources.GPULayers = &few, &all
	unknown := modelcfg.Model{Name: "x:7b", Requirements: modelcfg.Requirements{MinGPUMemory: 13 * gib}}
	busy, lost, foreign := card(1, "NVIDIA A40", 48), card(1, "NVIDIA A40", 48), card(1, "NVIDIA A40", 48)
	busy.Memory.Used, busy.Memory.Free = uint64(44*gib), uint64(4*gib)
	lost.Health.Lost = true
	foreign.Err, foreign.NoPermission = "no permission", true
	half := card(1, "NVIDIA A40", 48)
	half.Memory.Free = uint64(14 * gib)
	// free returns GPUs of 141 GiB with the given free memory in GiB.
	free := func(gibs ...int64) (devices []gpu.Device) {
		for i, g := range gibs {
			d := card(i, "NVIDIA H200", 141)
			d.Memory.Free = uint64(g * gib)
			devices = append(devices, d)
		}
		return devices
	}
	wide := big() // of which more slots are wanted than usual for its size
	wide.Validation.BatchSizeRange.High = 64

	tests := []struct {
		name     string
		model    modelcfg.Model
		devices  []gpu.Device
		wish     Request
		layout   string
		context  int
		warnings []string // part of each
	}{
		{"one GPU, range's end", llamaModel(), cards(1, "NVIDIA A100", 80), Request{}, "0:64", 4096, nil},
		{"one GPU, memory's end", llamaModel(), cards(1, "NVIDIA A10", 24), Request{}, "0:32", 4096, nil},
		{"no range", bare, cards(1, "NVIDIA H200", 141), Request{}, "0:64", 4096, nil},
		{"fewer than the batch size", llamaModel(), cards(1, "T1000", 8), Request{}, "0:2", 4096, []string{"holds 2 slots: fewer than 6, the YAML's batch size"}},
		{"explicit", llamaModel(), cards(2, "NVIDIA A40", 48), Request{Slots: 8}, "0:8 1:8", 4096, nil},
		{"explicit beyond the range", llamaModel(), cards(1, "NVIDIA A100", 80), Request{Slots: 80}, "0:80", 4096, []string{"80 is outside batch_size_range 1 to 64"}},
		{"explicit beyond the memory", llamaModel(), cards(1, "NVIDIA A10", 24), Request{Slots: 40}, "0:32", 4096, []string{"fewer than 40, the batch size asked for"}},
		{"unequal GPUs", llamaModel(), []gpu.Device{card(0, "NVIDIA A40", 48), card(1, "NVIDIA A10", 24)}, Request{}, "0:64 1:32", 4096, nil},
		{"busy GPU", llamaModel(), []gpu.Device{card(0, "NVIDIA A40", 48), busy}, Request{}, "0:64", 4096, []string{"GPU-1) is not used: a server does not fit its 3.0 GiB"}},
		{"half free GPU", llamaModel(), []gpu.Device{card(0, "NVIDIA A40", 48), half}, Request{Slots: 6}, "0:6 1:6", 4096, nil},
		{"lost GPU", llamaModel(), []gpu.Device{card(0, "NVIDIA A40", 48), lost}, Request{}, "0:64", 4096, []string{"it is lost"}},
		{"other job's GPU", llamaModel(), []gpu.Device{card(0, "NVIDIA A40", 48), foreign}, Request{}, "0:64", 4096, []string{"it belongs to another job"}},
		{"context beyond the model", llamaModel(), cards(1, "NVIDIA A100", 80), Request{Context: 200_000}, "0:4", 131072,
			[]string{"context length of 131072: taking it instead of 200000", "fewer than 6"}},
		{"quantised cache", llamaModel(), cards(1, "NVIDIA A10", 24), Request{KVCacheType: "q8_0"}, "0:57", 4096, nil},

		{"a group of two", big(), cards(2, "NVIDIA A40", 48), Request{}, "0+1:16", 4096, nil},
		{"two groups of two", big(), cards(4, "NVIDIA A40", 48), Request{}, "0+1:16 2+3:16", 4096, nil},
		{"a group and a GPU for itself", big(), []gpu.Device{card(0, "NVIDIA A40", 48), card(1, "NVIDIA A100", 80), card(2, "NVIDIA A40", 48)}, Request{}, "0+2:16 1:16", 4096, nil},
		{"singles hold as many as a group may", big(), free(54, 54), Request{}, "0:8 1:8", 4096, nil},
		{"singles hold fewer", big(), free(52, 52), Request{}, "0+1:16", 4096, nil},
		{"a group holds more", wide, free(44, 78, 42), Request{}, "0+1+2:59", 4096, nil},
		{"and more with more memory", wide, free(45, 79, 48), Request{}, "0+1+2:61", 4096, nil},
		{"one holds enough by itself", wide, free(62, 118, 62), Request{}, "0+2:31 1:54", 4096, nil},
		{"weights leave room: no group", light(), cards(2, "T1000", 7), Request{}, "0:4 1:4", 4096, []string{"GPU-0) holds 4 slots: fewer than 6", "GPU-1)"}},
		{"asking for less needs no group", big(), cards(2, "NVIDIA A40", 48), Request{Slots: 2}, "0:2 1:2", 4096, nil},
		{"MIG instances", llamaModel(), []gpu.Device{slice(0, "3g.40gb", 39.5), slice(1, "1g.10gb", 9.5)}, Request{}, "0:60 1:5", 4096, []string{"MIG 1g.10gb (MIG-1) holds 5 slots"}},

		{"single slot: several servers", single, cards(1, "NVIDIA A100", 80), Request{}, "0:1 0:1 0:1 0:1 0:1 0:1", 4096, nil},
		{"single slot: as many as fit", single, cards(1, "NVIDIA A10", 24), Request{}, "0:1 0:1 0:1", 4096, []string{"holds 3 servers with one slot each: fewer than 6"}},
		{"single slot: asked for", single, cards(2, "NVIDIA A40", 48), Request{Slots: 2}, "0:1 0:1 1:1 1:1", 4096, nil},

		{"rule of thumb", unknown, cards(1, "NVIDIA A100", 80), Request{}, "0:15", 4096, []string{"rule of thumb"}},
		{"less context where allowed", big(), cards(1, "NVIDIA A40", 48), Request{Context: 131072, MinContext: 1000}, "0:1", 0, []string{"taking a context of", "fewer than 6"}},
		{"layers on the CPU where allowed", big(), cards(1, "NVIDIA A10", 24), Request{AllowCPULayers: true}, "0:6", 4096, []string{"layers will run on the CPU"}},
		{"all layers", whole, cards(1, "NVIDIA A40", 48), Request{Slots: 1}, "0:1", 4096, nil},
		{"some layers allowed", partial, cards(1, "NVIDIA A40", 48), Request{Slots: 1, AllowCPULayers: true}, "0:1", 4096, []string{"gpu_layers is 20"}},

		{"CPU", llamaModel(), nil, Request{CPU: true}, ":6", 4096, nil},
		{"CPU, slots of the user", llamaModel(), nil, Request{CPU: true, Slots: 16}, ":16", 4096, nil},
		{"CPU, unknown model", modelcfg.Model{Name: "x"}, nil, Request{CPU: true}, ":4", 4096, nil},
		{"CPU, single slot", single, nil, Request{CPU: true}, ":1", 4096, []string{"one row at a time"}},
		{"CPU, some layers", partial, nil, Request{CPU: true}, ":6", 4096, nil},
		{"unchecked", llamaModel(), cards(1, "NVIDIA A40", 48), Request{Unchecked: true}, ":6", 4096, []string{"not measured"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Decide(tt.model, tt.model.Architecture, tt.devices, tt.wish)
			if err != nil {
				t.Fatal(err)
			}
			if got := layout(p); got != tt.layout || tt.context > 0 && p.Context != tt.context {
				t.Errorf("got %s with context %d, want %s with %d", got, p.Context, tt.layout, tt.context)
			}
			if len(p.Warnings) != len(tt.warnings) {
				t.Fatalf("warnings %q", p.Warnings)
			}
			for i, w := range tt.warnings {
				if !strings.Contains(p.Warnings[i], w) {
					t.Errorf("warning %q does not say %q", p.Warnings[i], w)
				}
			}
			check(t, p, tt.wish)
			again, _ := Decide(tt.model, tt.model.Architecture, tt.devices, tt.wish)
			if !reflect.DeepEqual(p, again) {
				t.Error("the same input gives another plan")
			}
		})
	}
}

// check holds for every plan.
func check(t *testing.T, p Plan, w Request) {
	t.Helper()
	planned := map[string]int64{}
	slots := 0
	for _, s := range p.Servers {
		slots += s.Slots
		var total int64
		for _, term := range s.Terms {
			if term.Bytes < 0 || term.Name == "" {
				t.Errorf("term %+v", term)
			}
			total += term.Bytes
		}
		if total != s.Bytes || s.Slots < 1 || len(s.Headroom) != len(s.Devices) {
			t.Errorf("terms add up to %d of server %+v", total, s)
		}
		for n, d := range s.Devices {
			planned[d.UUID] += s.on(n) - s.Spill
			if d.MIG() && len(s.Devices) > 1 {
				t.Error("a MIG instance is in a group")
			}
		}
	}
	if slots != p.Slots {
		t.Errorf("%d slots, servers have %d", p.Slots, slots)
	}
	for _, b := range p.Devices {
		if b.Planned > b.Headroom || planned[b.Device.UUID] > b.Headroom || b.Headroom < 0 || b.Headroom > 0 && b.Headroom != b.Free-b.Reserve {
			t.Errorf("%s: planned %d (%d) of headroom %d, free %d, reserve %d", b.Device.UUID, b.Planned, planned[b.Device.UUID], b.Headroom, b.Free, b.Reserve)
		}
		if b.Planned != planned[b.Device.UUID] && !w.AllowCPULayers {
			t.Errorf("%s: planned %d, servers take %d", b.Device.UUID, b.Planned, planned[b.Device.UUID])
		}
	}
}

func TestBudget(t *testing.T) {
	d := card(0, "GPU", 80)
	b := budget(d, 0.75)
	if b.Reserve != b.Free/4 || b.Free != int64(d.Memory.Free) || b.Headroom != b.Free-b.Reserve {
		t.Errorf("%+v", b)
	}
	if b := budget(card(0, "GPU", 8), 0.9); b.Reserve != gib {
		t.Errorf("small GPU: %+v", b)
	}
	d.MIGEnabled = true
	if b := budget(d, 0.9); b.Headroom != 0 || b.Unusable == "" {
		t.Errorf("GPU cut into instances: %+v", b)
	}
}

func TestDoesNotFit(t *testing.T) {
	tests := []struct {
		name    string
		model   modelcfg.Model
		devices []gpu.Device
		wish    Request
		changes string
		group   int
	}{
		{"weights", big(), cards(1, "NVIDIA A10", 24), Request{}, "2 such GPUs", 1},
		{"weights, in a group too", big(), cards(2, "T1000", 8), Request{}, "7 such GPUs", 2},
		{"context", llamaModel(), cards(1, "NVIDIA A10", 24), Request{Context: 131072}, "--kv-cache-type q8_0, or --context", 1},
		{"context and cache", llamaModel(), cards(1, "T1000", 6.628), Request{Context: 32768}, "--kv-cache-type q4_0 and --context", 1},
		{"MIG", big(), []gpu.Device{slice(0, "1g.10gb", 9.5)}, Request{}, "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decide(tt.model, tt.model.Architecture, tt.devices, tt.wish)
			var e *DoesNotFitError
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want a DoesNotFitError", err)
			}
			var texts []string
			for _, c := range e.Changes {
				texts = append(texts, c.String())
			}
			if got := strings.Join(texts, ", or "); !strings.HasPrefix(got, tt.changes) || tt.changes == "" && got != "" || e.Group != tt.group {
				t.Errorf("changes %q, group %d: %v", got, e.Group, err)
			}
			if sum(e.Terms) != e.Bytes || e.Bytes <= e.Devices[e.Nearest].Headroom {
				t.Errorf("terms and headroom %+v", e)
			}
			for _, part := range []string{tt.model.Name, Size(e.Bytes), Size(e.Devices[e.Nearest].Headroom), "weights", e.Devices[e.Nearest].Device.UUID} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			for _, c := range e.Changes { // each does what it promises
				w, devices := tt.wish, tt.devices
				if c.KVCacheType != "" {
					w.KVCacheType = c.KVCacheType
				}
				if c.Context > 0 {
					w.Context = c.Context
				}
				if c.GPUs > 0 {
					devices = cards(c.GPUs, "same", float64(devices[0].Memory.Total)/float64(gib))
				}
				if _, err := Decide(tt.model, tt.model.Architecture, devices, w); err != nil {
					t.Errorf("%s does not make it fit: %v", c, err)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	few := 20
	partial := llamaModel()
	partial.Resources.GPULayers = &few
	_, err := Decide(partial, partial.Architecture, cards(1, "GPU", 80), Request{})
	var layers *LayersError
	if !errors.As(err, &layers) || layers.GPULayers != 20 || layers.Layers != 32 {
		t.Fatalf("got %v, want a LayersError of 20 of 32", err)
	}
	for _, part := range []string{"m.yaml", "gpu_layers is 20", "32 layers", "--allow-cpu-layers"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %q", err, part)
		}
	}
	if _, err := Decide(llamaModel(), llama8B(), nil, Request{}); !errors.Is(err, ErrNoDevice) {
		t.Errorf("no device: %v", err)
	}
	var cache *CacheTypeError
	if _, err := Decide(llamaModel(), llama8B(), cards(1, "GPU", 80), Request{KVCacheType: "q5_0"}); !errors.As(err, &cache) {
		t.Errorf("cache type: %v", err)
	}
	var unknown *UnknownSizeError
	if _, err := Decide(modelcfg.Model{Name: "x"}, modelcfg.Architecture{}, cards(1, "GPU", 80), Request{}); !errors.As(err, &unknown) {
		t.Errorf("unknown model: %v", err)
	}
}

// The plan takes the most slots, and then the largest ubatch.
func TestUbatch(t *testing.T) {
	tests := []struct {
		name    string
		memory  float64 // GiB
		wish    Request
		ubatch  int
		choices []UbatchChoice
		from    string // part of the source
	}{
		{"room for everything", 80, Request{}, 2048, []UbatchChoice{{2048, 64}, {1024, 64}, {512, 64}}, "the largest with the most slots"},
		{"a larger one would cost slots", 24, Request{}, 512, []UbatchChoice{{2048, 31}, {1024, 31}, {512, 32}}, "1024 would hold 31, 2048 would hold 31"},
		{"asked for", 24, Request{Ubatch: 256}, 256, []UbatchChoice{{256, 32}}, "asked for"},
		{"an embedder", 80, Request{Embeds: true, Context: 1500}, 1500, []UbatchChoice{{1500, 64}}, "whole prompt"},
		{"an embedder with a long context", 80, Request{Embeds: true, Context: 8192}, 2048, []UbatchChoice{{2048, 64}}, "whole prompt"},
		{"an embedder of the old generation", 80, Request{Embeds: true, Context: 8192, Runner: LlamaRunner}, 8192, nil, "whole prompt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Decide(llamaModel(), llama8B(), cards(1, "GPU", tt.memory), tt.wish)
			if err != nil {
				t.Fatal(err)
			}
			if p.Ubatch != tt.ubatch || tt.choices != nil && !reflect.DeepEqual(p.Ubatches, tt.choices) {
				t.Errorf("ubatch %d of %v, want %d of %v", p.Ubatch, p.Ubatches, tt.ubatch, tt.choices)
			}
			if i := slices.IndexFunc(p.Sources, func(s Source) bool { return s.What == "ubatch" }); i < 0 || !strings.Contains(p.Sources[i].From, tt.from) {
				t.Errorf("sources %+v", p.Sources)
			}
		})
	}
	// Ollama's engine can fail to load a model with a gated delta net with 2048.
	for runner, want := range map[Runner]int{OllamaEngine: 1024, LlamaServer: 2048} {
		a := llama8B()
		a.Family = "qwen3next"
		p, err := Decide(llamaModel(), a, cards(1, "GPU", 80), Request{Runner: runner})
		if err != nil || p.Ubatch != want {
			t.Errorf("a gated delta net with the %s: ubatch %d, want %d (%v)", runner, p.Ubatch, want, err)
		}
	}
	p, err := Decide(llamaModel(), llama8B(), nil, Request{CPU: true, Ubatch: 256})
	if err != nil || p.Ubatch != 256 {
		t.Errorf("on the CPU: ubatch %d, %v", p.Ubatch, err)
	}
}

// A GPU that others use, too, holds what fits its free memory.
func TestReserveIsAShareOfTheFreeMemory(t *testing.T) {
	shared := card(0, "NVIDIA A100", 80)
	shared.Memory.Free = 7_700 << 20
	m := light() // of 3 GB
	p, err := Decide(m, m.Architecture, []gpu.Device{shared}, Request{})
	if err != nil || p.Slots < 6 || p.Devices[0].Reserve != gib {
		t.Errorf("%d slots, %+v: %v", p.Slots, p.Devices, err)
	}
}
