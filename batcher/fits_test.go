package batcher

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"fluxworker/gpu"
	"fluxworker/modelcfg"
)

var update = flag.Bool("update", false, "write testdata/fits.md anew")

const fitsFile = "testdata/fits.md"

// hardware is a column of the table of GPUs.
type hardware struct {
	name    string
	class   string // as the recommendations call it; empty where they say nothing
	devices []gpu.Device
}

func hardwares() []hardware {
	return []hardware{
		{"A100-80", "A100-80", cards(1, "NVIDIA A100-SXM4-80GB", 80)},
		{"A100-40", "A100-40", cards(1, "NVIDIA A100-SXM4-40GB", 40)},
		{"A40-48", "A40-48", cards(1, "NVIDIA A40", 48)},
		{"24 GB", "24 GB", cards(1, "24 GB", 24)},
		{"16 GB", "", cards(1, "16 GB", 16)},
		{"8 GB", "", cards(1, "8 GB", 8)},
		{"2xA100-80", "", cards(2, "NVIDIA A100-SXM4-80GB", 80)},
	}
}

// recommendation is a row of the model list's batch sizes; sizes in billions of parameters.
type recommendation struct {
	from, to  float64
	gpu       string
	low, high int
}

// recommendations are those of the list. Its ranges overlap: here 7B counts as 3-7B, and 70B and 72B as 40-70B.
var recommendations = []recommendation{
	{3, 7.6, "A100-80", 16, 24}, {3, 7.6, "A100-40", 16, 24}, {3, 7.6, "A40-48", 12, 16}, {3, 7.6, "24 GB", 6, 8},
	{7.6, 20, "A100-80", 8, 12}, {7.6, 20, "A100-40", 4, 6},
	{20, 40, "A100-80", 4, 6},
	{40, 73, "A100-80", 2, 3},
}

// nominal is the size that the list calls a model by.
func nominal(name string) float64 {
	if b, ok := map[string]float64{"phi3:mini": 3.8, "phi3:small": 7, "phi3:medium": 14, "phi3:vision": 14}[name]; ok {
		return b
	}
	return billions(modelcfg.Model{Name: name}, modelcfg.Architecture{}, 0)
}

func recommended(name, class string) (recommendation, bool) {
	for _, r := range recommendations {
		if b := nominal(name); class != "" && r.gpu == class && b >= r.from && (b < r.to || r.to == 73 && b <= 73) {
			return r, true
		}
	}
	return recommendation{}, false
}

// verdict compares a plan with the recommendation.
func verdict(m modelcfg.Model, h hardware, p Plan, err error) (string, bool) {
	r, known := recommended(m.Name, h.class)
	if err != nil {
		var e *DoesNotFitError
		if !errors.As(err, &e) {
			return err.Error(), false
		}
		text := fmt.Sprintf("does not fit: %s of %s", Size(e.Bytes), Size(e.Devices[e.Nearest].Headroom))
		if known {
			text = fmt.Sprintf("**lower** than %d-%d: ", r.low, r.high) + text
		}
		if len(e.Changes) > 0 {
			text += "; would with " + e.Changes[0].String()
		}
		return text, false
	}
	switch {
	case !known:
		return "no recommendation", true
	case p.Slots > r.high:
		return fmt.Sprintf("beats %d-%d", r.low, r.high), true
	case p.Slots >= r.low:
		return fmt.Sprintf("reproduces %d-%d", r.low, r.high), true
	}
	text := fmt.Sprintf("**lower** than %d-%d: ", r.low, r.high)
	one := len(p.Servers) > 0 && m.Architecture.SingleSlot
	switch {
	case p.RuleOfThumb:
		first := p.Servers[0]
		return text + fmt.Sprintf("rule of thumb: %s and, %s", Size(first.Terms[0].Bytes), first.Terms[1].Note), false
	case one && len(p.Servers) >= m.Resources.BatchSize:
		return text + fmt.Sprintf("one slot in each server, and no more servers than batch_size %d", m.Resources.BatchSize), false
	case one:
		return text + fmt.Sprintf("one slot in each server, and each has the weights again: %s", Size(p.Servers[0].Bytes)), false
	}
	last := p.Servers[0]
	return text + fmt.Sprintf("memory: %s of headroom, weights %s, %s of KV cache a slot", Size(p.Devices[0].Headroom), Size(last.Terms[0].Bytes),
		Size(last.Terms[1].Bytes/int64(last.Slots))), false
}

func slotsText(p Plan) string {
	var parts []string
	for i := 0; i < len(p.Servers); {
		n, s := i, p.Servers[i]
		for n < len(p.Servers) && p.Servers[n].Slots == s.Slots && len(p.Servers[n].Devices) == len(s.Devices) {
			n++
		}
		text := fmt.Sprintf("%d × %d", n-i, s.Slots)
		if len(s.Devices) > 1 {
			text += fmt.Sprintf(" on %d GPUs", len(s.Devices))
		}
		parts = append(parts, text)
		i = n
	}
	return strings.Join(parts, " + ")
}

const fitsHeader = `# What fits: 26 models on 7 kinds of hardware

Written by ` + "`go test ./batcher -run Table -update`" + `; the test compares it. Context 4096, f16 cache, batch size auto, every GPU
idle (600 MiB reserved by the driver), flash attention, a llama-server. Bytes are those of all servers on all their GPUs together, the
headroom that of one GPU: what is free less a reserve of 10 % of it and at least 1 GiB. "rule" marks models of which no
architecture is known, because Ollama has no such model: they are planned by the model list's rule of thumb. The last column
compares the slots of all servers with the batch size that the model list recommends for the size and GPU.

| model | hardware | fits | servers × slots | ubatch | bytes | headroom | against the recommendation |
|---|---|---|---|---|---|---|---|
`

func TestTable(t *testing.T) {
	catalog, err := modelcfg.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(fitsHeader)
	rows, fitted, compared, lower := 0, 0, 0, 0
	for _, m := range catalog.Models() {
		for _, h := range hardwares() {
			p, err := Decide(m, m.Architecture, h.devices, Request{Context: 4096})
			text, good := verdict(m, h, p, err)
			fits, slots, ubatch, bytes := "no", "", "", ""
			if err == nil {
				check(t, p, Request{})
				var total int64
				for _, s := range p.Servers {
					total += s.Bytes + s.BytesElsewhere*int64(len(s.Devices)-1)
				}
				fits, slots, ubatch, bytes = "yes", slotsText(p), fmt.Sprint(p.Ubatch), Size(total)
				fitted++
			}
			if !known(m.Architecture) {
				fits += ", rule"
			}
			if _, known := recommended(m.Name, h.class); known {
				compared++
				if !good {
					lower++
				}
			}
			rows++
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", m.Name, h.name, fits, slots, ubatch, bytes, Size(budget(h.devices[0], 0.9).Headroom), text)
		}
	}
	fmt.Fprintf(&b, "\n%d rows, %d fit. %d have a recommendation, which %d reproduce or beat; %d are lower, each with its reason.\n",
		rows, fitted, compared, compared-lower, lower)

	golden(t, fitsFile, b.String())
}
