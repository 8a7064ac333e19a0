package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/modelcfg"
	"fluxworker/worker/ollama"
	"fluxworker/worker/record"
)

// A plan learns from the last run of the same model, engine and kind of GPU: it leaves room for memory that was measured and
// not planned, takes some of the room that was planned and not taken, and does not try slots that a GPU did not hold.
func TestPlanLearns(t *testing.T) {
	const mib = 1 << 20
	cards := []gpu.Device{{UUID: "GPU-new", Name: "NVIDIA L4", Memory: gpu.Memory{Total: 24 << 30, Free: 23 << 30}}}
	info := ollama.Info{Version: "0.34.3", Digest: "d", WeightsBytes: 5 << 30, Capabilities: []string{"completion"}, Metadata: map[string]any{
		"general.architecture": "llama", "llama.block_count": 32.0, "llama.embedding_length": 4096.0, "llama.attention.head_count": 32.0,
		"llama.attention.head_count_kv": 8.0, "llama.context_length": 8192.0, "llama.vocab_size": 128256.0,
	}}
	planner := Planner{Model: modelcfg.Model{Name: "m"}, Request: batcher.Request{Context: 4096}, Device: ollama.DeviceAuto}
	fresh, err := planner.Plan(info, cards)
	if err != nil {
		t.Fatal(err)
	}
	s := fresh.Servers[0]
	last := func(change func(*record.Manifest, *record.PlannedServer)) *record.Manifest {
		server := record.PlannedServer{GPUs: []string{"GPU-old"}, GPU: "NVIDIA L4", Slots: s.Slots, Context: 4096, Terms: s.Terms, Bytes: s.Bytes, MeasuredBytes: []int64{s.Bytes}}
		m := &record.Manifest{Started: time.Unix(0, 0).UTC(), Server: ollama.Info{Version: "0.34.3", Digest: "d"}, Plan: record.Plan{Cache: "f16", Ubatch: fresh.Ubatch}}
		change(m, &server)
		m.Plan.Servers = []record.PlannedServer{server}
		return m
	}
	for name, tt := range map[string]struct {
		last  *record.Manifest
		bytes int64 // learned
		slots func(n int) bool
	}{
		"as planned":  {last(func(*record.Manifest, *record.PlannedServer) {}), 0, func(n int) bool { return n == s.Slots }},
		"more":        {last(func(_ *record.Manifest, p *record.PlannedServer) { p.MeasuredBytes[0] += 3 << 30 }), 3 << 30, func(n int) bool { return n < s.Slots }},
		"less":        {last(func(_ *record.Manifest, p *record.PlannedServer) { p.MeasuredBytes[0] -= 100 * mib }), -100 * mib, func(n int) bool { return n >= s.Slots }},
		"implausible": {last(func(_ *record.Manifest, p *record.PlannedServer) { p.MeasuredBytes[0] = 0 }), 0, func(n int) bool { return n == s.Slots }},
		"another GPU": {last(func(_ *record.Manifest, p *record.PlannedServer) { p.GPU = "A100"; p.MeasuredBytes[0] += 3 << 30 }), 0, func(n int) bool { return n == s.Slots }},
		"another model": {last(func(m *record.Manifest, p *record.PlannedServer) {
			m.Server.Digest = "e"
			p.MeasuredBytes[0] += 3 << 30
		}), 0, func(n int) bool { return n == s.Slots }},
		"another engine": {last(func(m *record.Manifest, p *record.PlannedServer) {
			m.Server.Version = "0.35.0"
			p.MeasuredBytes[0] += 3 << 30
		}), 0, func(n int) bool { return n == s.Slots }},
		"fewer slots held": {last(func(_ *record.Manifest, p *record.PlannedServer) { p.PlannedSlots, p.Slots = p.Slots, 3 }), 0, func(n int) bool { return n == 3 }},
	} {
		planner.Last = tt.last
		p, err := planner.Plan(info, cards)
		if err != nil {
			t.Fatal(err)
		}
		if got := batcher.LearnedBytes(p.Servers[0].Terms); got != tt.bytes || !tt.slots(p.Slots) {
			t.Errorf("%s: %d slots after %d, %d bytes learned, want %d", name, p.Slots, s.Slots, got, tt.bytes)
		}
		changed := tt.bytes != 0 || tt.last.Plan.Servers[0].PlannedSlots > 0
		told := slices.ContainsFunc(p.Sources, func(s batcher.Source) bool { return strings.Contains(s.From, "the run of 1970-01-01") })
		if told != changed {
			t.Errorf("%s: learned: %t, told: %t", name, changed, told)
		}
	}
}
