package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/modelcfg"
)

func catalog(t *testing.T) *modelcfg.Catalog {
	t.Helper()
	c, err := modelcfg.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func described(t *testing.T, text string) []gpu.Device {
	t.Helper()
	report, err := gpu.Describe(text)
	if err != nil {
		t.Fatal(err)
	}
	return report.Devices
}

// Without a server, each known tag gets a plan from its architecture, or an error with the arithmetic.
func TestKnownTagsHaveAPlan(t *testing.T) {
	cards := []string{"24GB", "A100-40GB", "A100-80GB", "8xH100-80GB"}
	for _, m := range slices.Concat(catalog(t).Further(), catalog(t).Aliases()) {
		if m.Architecture.Layers == 0 { // Ollama lacks the model, or only the server knows the tag
			continue
		}
		fits := 0
		for _, card := range cards {
			devices := described(t, card)
			p, err := batcher.Decide(m, m.Architecture, devices, batcher.Request{})
			var small *batcher.DoesNotFitError
			switch {
			case err == nil && (p.RuleOfThumb || p.Slots < 1):
				t.Errorf("%s on %s: %d slots, by the rule of thumb: %t", m.Name, card, p.Slots, p.RuleOfThumb)
			case err == nil:
				fits++
			case !errors.As(err, &small) || !strings.Contains(err.Error(), m.Name+" does not fit"):
				t.Errorf("%s on %s: %v", m.Name, card, err)
			}
			if err == nil && len(devices) == 1 && m.Architecture.WeightsBytes > int64(devices[0].Memory.Total) {
				t.Errorf("%s is larger than %s, and yet has a plan", m.Name, card)
			}
		}
		if fits == 0 {
			t.Errorf("%s has no plan on any of %v", m.Name, cards)
		}
	}
}

// The caches that public logs of llama.cpp and Ollama show for these models, in MiB for one slot.
var loggedCaches = []struct {
	tag       string
	context   int
	cacheType string
	kv, state float64
}{
	{"llama3:8b", 8192, "f16", 1024, 0},
	{"llama3.1:8b", 32768, "f16", 4096, 0},
	{"ministral-3:3b", 4096, "f16", 416, 0},
	{"deepseek-coder-v2:16b", 4096, "f16", 1080, 0},
	{"qwen3:4b", 1024, "f16", 144, 0},
	{"qwen3-vl:8b", 16384, "q8_0", 1224, 0},
	{"qwen3.5:0.8b", 2048, "f16", 24, 19.27},
	{"qwen3.5:9b", 32768, "q8_0", 544, 50.25},
	{"qwen3.5:35b", 40960, "q8_0", 425, 0},
	{"qwen3.6:27b", 32768, "f16", 2048, 149.62},
	{"gpt-oss:20b", 131072, "f16", 3072, 0},
	{"gpt-oss:120b", 65536, "f16", 2304, 0},
	{"gemma4:12b", 65536, "f16", 1024, 0}, // 8 layers of one head of 512, by the keys in a log
}

func TestKnownTagsHaveTheLoggedCaches(t *testing.T) {
	for _, logged := range loggedCaches {
		m, ok := catalog(t).Lookup(logged.tag)
		if !ok {
			t.Errorf("%s is not known", logged.tag)
			continue
		}
		p, err := batcher.Decide(m, m.Architecture, described(t, "200GB"), batcher.Request{Slots: 1, Context: logged.context, KVCacheType: logged.cacheType})
		if err != nil {
			t.Errorf("%s: %v", logged.tag, err)
			continue
		}
		mib := map[string]float64{}
		for _, term := range p.Servers[0].Terms {
			mib[term.Name] = float64(term.Bytes) / (1 << 20)
		}
		within := func(planned, logged float64) bool { return planned >= logged*0.99 && planned <= logged*1.01 }
		if !within(mib["KV cache"], logged.kv) || logged.state > 0 && !within(mib["state"], logged.state) {
			t.Errorf("%s: KV cache %.1f MiB and state %.2f MiB, want %v", logged.tag, mib["KV cache"], mib["state"], logged)
		}
	}
}

const (
	modelsPage   = "../../docs/models.md"
	tablesBegin  = "<!-- go test ./cmd/fluxworker -run TestModelsPage -update writes the rest of this page. -->\n"
	furtherTitle = "\n## Models whose size is known before a pull\n\n" +
		"The 26 models of LLMFlux's list are in [tested-models.md](tested-models.md). The size of these models is known, too:\n\n" +
		"| model | published as | architecture | weights | file | longest context |\n|---|---|---|---|---|---|\n"
	aliasTitle = "\n## Names of LLMFlux 2\n\n| name | Ollama tag | remark |\n|---|---|---|\n"
)

// The page lists what the catalog has.
func TestModelsPage(t *testing.T) {
	page, err := os.ReadFile(modelsPage)
	if err != nil {
		t.Fatal(err)
	}
	text, _, found := strings.Cut(string(page), tablesBegin)
	if !found {
		t.Fatalf("%s lacks the line %s", modelsPage, tablesBegin)
	}
	var b strings.Builder
	b.WriteString(text + tablesBegin + furtherTitle)
	for _, m := range catalog(t).Further() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %d |\n", m.Name, m.HFName, m.Architecture.Family, m.Info["quantization"],
			gigabytes(m.Architecture.WeightsBytes), m.Architecture.ContextLength)
	}
	b.WriteString(aliasTitle)
	for _, m := range catalog(t).Aliases() {
		remark := m.OllamaNote
		if m.Tag() == "" {
			remark += "; nearest: " + strings.Join(m.Alternatives, ", ")
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", m.Name, or(m.Tag(), "none"), remark)
	}
	if *update {
		if err := os.WriteFile(modelsPage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(page) != b.String() {
		t.Errorf("%s is out of date; look at the difference after go test ./cmd/fluxworker -run TestModelsPage -update", modelsPage)
	}
}
