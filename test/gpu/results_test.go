package gpu

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"fluxworker/gpu"
)

const mib = 1 << 20

// results are the tables that TestGPU fills.
type results struct {
	card, driver string
	device       gpu.Device
	memory       []memory
	rates        []speed
}

// memory is one server, in bytes.
type memory struct {
	generation, model, context string
	slots                      int
	free                       int64 // before the load
	planned, measured          int64
	peak                       int64 // the most that the rows made of measured
}

// speed is one run over rows.
type speed struct {
	generation, model          string
	asked, slots, rows, tokens int
	seconds                    float64
}

// The bounds of planned against measured. A plan that is too small makes a server fail to load on a full card: the reserve is a
// tenth of the free memory, and half of it may cover the plan. A plan that is too large leaves slots unused.
const (
	tooSmall = 0.95
	tooLarge = 1.25
)

// judge returns what is wrong with a plan; "" for nothing.
func (m memory) judge() string {
	if m.measured <= 0 {
		return fmt.Sprintf("%s, %d slots: the driver saw no growth of the used memory (%d bytes)", m.model, m.slots, m.measured)
	}
	if ratio := float64(m.planned) / float64(m.measured); ratio < tooSmall || ratio > tooLarge {
		return fmt.Sprintf("%s, %d slots: %d MiB planned, %d MiB measured: a ratio of %.3f, want %.2f to %.2f",
			m.model, m.slots, m.planned/mib, m.measured/mib, ratio, tooSmall, tooLarge)
	}
	return ""
}

// markdown returns RESULTS.md.
func (r *results) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What a real GPU shows\n\n`make gpu-test ARGS=-update` measured this on one %s (%d MiB, compute capability %s, driver %s). The models are\nsynthetic (test/gpu/synthetic).\n",
		r.card, r.device.Memory.Total/mib, r.device.ComputeCapability, r.driver)
	b.WriteString("\n## Memory, in MiB\n\nA ballast left so much of the card free, and the plan took as many slots as fit. Measured is the growth of the used memory\nby the load; peak is the growth with rows in the slots.\n\n" +
		"| generation | model | context | free | slots | planned | measured | planned / measured | peak |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, m := range r.memory {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d | %d | %.3f | %d |\n", m.generation, m.model, m.context, m.free/mib, m.slots, m.planned/mib, m.measured/mib,
			ratioOf(m.planned, m.measured), m.peak/mib)
	}
	b.WriteString("\n## Rows per second\n\nThe planned slots against half and double of them. Serving differs from asked where the card does not hold as many.\n\n" +
		"| generation | model | asked | serving | rows | rows/s | tokens/s |\n|---|---|---|---|---|---|---|\n")
	for _, s := range r.rates {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %.2f | %.0f |\n", s.generation, s.model, s.asked, s.slots, s.rows,
			float64(s.rows)/s.seconds, float64(s.tokens)/s.seconds)
	}
	return b.String()
}

func ratioOf(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// tolerance is the share by which two sources of the driver's numbers may differ: they are asked one after the other, and
// nvidia-smi rounds to MiB.
const tolerance = 0.02

// differences compares NVML's numbers with those of nvidia-smi. It ignores a difference below 64 MiB, because both programs use
// memory of the card themselves.
func differences(nvml, smi gpu.Report) []string {
	if len(nvml.Devices) == 0 || len(nvml.Devices) != len(smi.Devices) || smi.Source != gpu.SourceNvidiaSMI {
		return []string{fmt.Sprintf("NVML shows %d devices, %s %d", len(nvml.Devices), smi.Source, len(smi.Devices))}
	}
	var found []string
	for i, n := range nvml.Devices {
		s := smi.Devices[i]
		if n.UUID != s.UUID {
			found = append(found, fmt.Sprintf("device %d: NVML says %s, nvidia-smi %s", i, n.UUID, s.UUID))
			continue
		}
		for _, v := range []struct {
			what      string
			nvml, smi uint64
		}{{"total", n.Memory.Total, s.Memory.Total}, {"free", n.Memory.Free, s.Memory.Free}, {"used", n.Memory.Used, s.Memory.Used}} {
			difference := math.Abs(float64(v.nvml) - float64(v.smi))
			if difference > 64*mib && difference > tolerance*float64(v.smi) {
				found = append(found, fmt.Sprintf("%s: %s memory: %d MiB by NVML, %d MiB by nvidia-smi", n.UUID, v.what, v.nvml/mib, v.smi/mib))
			}
		}
	}
	return found
}

// The judgement of the numbers is tested without a GPU.
func TestJudgement(t *testing.T) {
	for _, tt := range []struct {
		m    memory
		want string
	}{
		{memory{planned: 10 * gib, measured: 10 * gib}, ""},
		{memory{planned: 12 * gib, measured: 10 * gib}, ""},
		{memory{planned: 9 * gib, measured: 10 * gib}, "a ratio of 0.900"},
		{memory{planned: 13 * gib, measured: 10 * gib}, "a ratio of 1.300"},
		{memory{planned: 10 * gib}, "no growth"},
	} {
		if got := tt.m.judge(); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%+v: %q, want %q", tt.m, got, tt.want)
		}
	}
	report := func(source gpu.Source, uuid string, total, used uint64) gpu.Report {
		return gpu.Report{Source: source, Devices: []gpu.Device{{UUID: uuid, Memory: gpu.Memory{Total: total, Used: used, Free: total - used}}}}
	}
	n := report(gpu.SourceNVML, "GPU-1", 80*gib, 10*gib)
	for _, tt := range []struct {
		smi  gpu.Report
		want int
	}{
		{report(gpu.SourceNvidiaSMI, "GPU-1", 80*gib, 10*gib+mib), 0},
		{report(gpu.SourceNvidiaSMI, "GPU-1", 80*gib, 11*gib), 1}, // used differs by a tenth, free by a seventieth
		{report(gpu.SourceNvidiaSMI, "GPU-1", 40*gib, 10*gib), 2},
		{report(gpu.SourceNvidiaSMI, "GPU-2", 80*gib, 10*gib), 1},
		{report(gpu.SourceNVML, "GPU-1", 80*gib, 10*gib), 1}, // nvidia-smi was not asked
		{gpu.Report{Source: gpu.SourceNvidiaSMI}, 1},
	} {
		if got := differences(n, tt.smi); len(got) != tt.want {
			t.Errorf("%d differences, want %d: %q", len(got), tt.want, got)
		}
	}
}
