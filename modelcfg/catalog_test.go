package modelcfg

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

func embedded(t *testing.T) *Catalog {
	t.Helper()
	c, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tableRow is one row of the list of models that must be served.
type tableRow struct {
	name, file, memory, recommended, notes string
}

func table(t *testing.T) []tableRow {
	t.Helper()
	data, err := os.ReadFile("testdata/models-table.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var rows []tableRow
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")[1:] {
		f := strings.Split(line, "\t")
		if len(f) != 7 {
			t.Fatalf("row %d has %d columns", i+1, len(f))
		}
		if !strings.HasSuffix(f[1], ":"+f[2]) {
			t.Errorf("row %d: name %s does not end in size %s", i+1, f[1], f[2])
		}
		rows = append(rows, tableRow{f[1], f[3], f[4], f[5], f[6]})
	}
	return rows
}

func TestCatalogIsTheTable(t *testing.T) {
	rows, models := table(t), embedded(t).Models()
	if len(rows) != 26 || len(models) != len(rows) {
		t.Fatalf("table has %d rows, catalog %d models, want 26 each", len(rows), len(models))
	}
	for i, row := range rows {
		m := models[i]
		memory, err := parseSize(row.memory)
		if err != nil {
			t.Fatal(err)
		}
		got := tableRow{m.Name, m.File, row.memory, m.Requirements.RecommendedGPU, m.Notes}
		if got != row || m.Requirements.MinGPUMemory != memory {
			t.Errorf("row %d:\ngot  %+v, %d bytes\nwant %+v", i+1, got, m.Requirements.MinGPUMemory, row)
		}
	}
}

func TestCatalogReadsEveryFile(t *testing.T) {
	c := embedded(t)
	var read, found []string
	for _, m := range slices.Concat(c.Models(), c.Further(), c.Aliases()) {
		read = append(read, "catalog/"+m.File)
	}
	err := fs.WalkDir(catalogFS, "catalog", func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && path != "catalog/order" {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(read)
	slices.Sort(found)
	if read = slices.Compact(read); !slices.Equal(read, found) {
		t.Errorf("read  %v\nfiles %v", read, found)
	}
}

// A further model is planned by its architecture alone, so the architecture is complete, and no other model has its name.
func TestFurtherModelsAreComplete(t *testing.T) {
	c := embedded(t)
	names := map[string]string{}
	for _, m := range slices.Concat(c.Models(), c.Further(), c.Aliases()) {
		if other := names[m.Name]; other != "" {
			t.Errorf("%s is in %s and in %s", m.Name, other, m.File)
		}
		names[m.Name] = m.File
	}
	if n := len(c.Further()); n < 45 {
		t.Errorf("%d further models, want 45 or more", n)
	}
	for _, m := range c.Further() {
		a := m.Architecture
		if a.Source == "" || a.Family == "" || a.WeightsBytes == 0 || a.Layers == 0 || len(a.KVHeads) != a.Layers || a.Heads == 0 ||
			a.KeyLength == 0 || a.ValueLength == 0 || a.EmbeddingLength == 0 || a.ContextLength == 0 || a.FeedForwardLength == 0 ||
			a.Vocabulary == 0 {
			t.Errorf("%s: incomplete architecture %+v", m.Name, a)
		}
		if m.Tag() != m.Name || m.HFName == "" || m.Info["quantization"] == "" {
			t.Errorf("%s: tag %s, published as %q, quantisation %q", m.Name, m.Tag(), m.HFName, m.Info["quantization"])
		}
		// A layer without a KV cache of its own is recurrent, or it shares the cache of another.
		if slices.Contains(a.KVHeads, 0) != (a.StateBytes > 0 || m.Name == "gemma4:e4b") {
			t.Errorf("%s: layers without a KV cache, and a state of %d bytes", m.Name, a.StateBytes)
		}
	}
}

// bitsPerWeight are the bounds of a file's size: a quantisation keeps some tensors in more bits than the others. The
// files in someIn16Bits keep a part of the attention in 16 bits, and these models are so small that this part counts.
var (
	bitsPerWeight = map[string]Range{
		"Q4_0": {4.4, 4.8}, "Q4_K_M": {4.55, 5.3}, "Q8_0": {8.4, 8.7}, "F16": {15.9, 16.3}, "Q4_K_M and 16 bits": {5.45, 6.25},
	}
	someIn16Bits = []string{"qwen3:0.6b", "qwen3:1.7b", "phi4-reasoning:14b"}
)

// The size of a file and the shape of its model come from different sources, so each holds the other: a wrong number of
// layers or a wrong width moves the bits per weight out of the bounds.
func TestSizesFollowFromTheShapes(t *testing.T) {
	plain := []string{"llama", "qwen2", "qwen3", "phi3", "granite", "olmo2", "olmo3", "chatglm"}
	checked := 0
	for _, m := range embedded(t).Further() {
		a := m.Architecture
		if !slices.Contains(plain, a.Family) || a.Vision {
			continue
		}
		attention := a.Heads*(a.KeyLength+a.ValueLength) + a.KVHeads[0]*(a.KeyLength+a.ValueLength)
		tied := a.Layers*a.EmbeddingLength*(attention+3*a.FeedForwardLength) + a.Vocabulary*a.EmbeddingLength
		bits := func(weights int) float64 { return float64(a.WeightsBytes) * 8 / float64(weights) }
		quantization := m.Info["quantization"]
		if slices.Contains(someIn16Bits, m.Name) {
			quantization += " and 16 bits"
		}
		within := bitsPerWeight[quantization]
		if untied := tied + a.Vocabulary*a.EmbeddingLength; !within.Contains(bits(tied)) && !within.Contains(bits(untied)) {
			t.Errorf("%s: %.2f bits per weight with one embedding, %.2f with two; want %v for %s",
				m.Name, bits(tied), bits(untied), within, quantization)
		}
		checked++
	}
	if checked < 45 {
		t.Errorf("only %d models were checked", checked)
	}
}

func TestAliasesOfLLMFlux(t *testing.T) {
	c := embedded(t)
	withPlan := 0
	for _, m := range c.Aliases() {
		got, warnings, err := Resolve(m.Name, "")
		if m.Tag() == "" {
			var noTag *NoTagError
			if !errors.As(err, &noTag) || noTag.Note == "" || len(noTag.Alternatives) == 0 {
				t.Errorf("%s: %v, want a NoTagError with a reason and alternatives", m.Name, err)
			}
			for _, other := range m.Alternatives {
				if _, ok := c.byTag(other); !ok {
					t.Errorf("%s: the alternative %s is not known", m.Name, other)
				}
			}
			continue
		}
		want := "model " + m.Name + " has the Ollama tag " + m.Tag() + ": the tag has "
		if err != nil || got.Tag() != m.Tag() || len(warnings) != 1 || !strings.HasPrefix(warnings[0].Text, want) {
			t.Errorf("Resolve(%s): tag %s, %v, %v, want %s…", m.Name, got.Tag(), warnings, err, want)
		}
		known, ok := c.byTag(m.Tag())
		if ok != (got.Architecture.Layers > 0) {
			t.Errorf("%s: %d layers; the catalog has the tag: %v", m.Name, got.Architecture.Layers, ok)
		}
		if quantization := known.Info["quantization"]; ok && !strings.Contains(m.OllamaNote, " "+quantization+" ") {
			t.Errorf("%s: %q does not say that the tag is %s", m.Name, m.OllamaNote, quantization)
		}
		if ok {
			withPlan++
		}
	}
	if withPlan < 40 {
		t.Errorf("%d aliases have an architecture, want 40 or more", withPlan)
	}
}

func TestNearest(t *testing.T) {
	c := embedded(t)
	for name, want := range map[string]string{
		"qwen3:8bb":                "qwen3:8b",
		"qwen2.5-7b-instruct":      "Qwen2.5-7B-Instruct",
		"Qwen/Qwen2.5-7B-instruct": "Qwen2.5-7B-Instruct",
		"gptoss:20b":               "gpt-oss:20b",
		"llama-3.1:8b":             "llama3.1:8b",
		"phi4":                     "phi4:14b",
		"gpt-oss":                  "gpt-oss:20b",
		"gemma3:12b-it-qat":        "gemma3:12b",
		"bigram":                   "",
		"my-own-model":             "",
		strings.Repeat("q", 255):   "",
	} {
		got := c.Nearest(name)
		if len(got) > 3 || want == "" != (len(got) == 0) || want != "" && got[0] != want {
			t.Errorf("Nearest(%q) = %v, want %q first", name, got, want)
		}
	}
	if got := c.Nearest("llama3.2:7bb"); slices.Contains(got, "llama3.2:7b") {
		t.Errorf("Nearest names llama3.2:7b, which Ollama's library lacks: %v", got)
	}
}

func TestCatalogEntriesAreUsable(t *testing.T) {
	for _, m := range embedded(t).Models() {
		t.Run(m.Name, func(t *testing.T) {
			if m.Tag() == "" {
				if len(m.Alternatives) == 0 || m.OllamaNote == "" {
					t.Error("has no tag and says no alternative")
				}
				return
			}
			if m.Tag() != m.Name && m.OllamaNote == "" {
				t.Error("has another tag and does not say why")
			}
			a := m.Architecture
			if a.Source == "" || a.Family == "" || a.WeightsBytes == 0 || a.Layers == 0 || len(a.KVHeads) != a.Layers ||
				a.KeyLength == 0 || a.ValueLength == 0 || a.ContextLength == 0 || a.FeedForwardLength == 0 || a.Vocabulary == 0 {
				t.Errorf("incomplete architecture %+v", a)
			}
			if a.SingleSlot != (a.Family == "mllama") {
				t.Errorf("single_slot is %v for family %s", a.SingleSlot, a.Family)
			}
			if w := m.Requirements.ContextWindow; w == 0 || w > a.ContextLength {
				t.Errorf("context window %d, context length %d", w, a.ContextLength)
			}
			if m.Resources.BatchSize == 0 || m.Validation.BatchSizeRange == nil {
				t.Error("no batch size")
			}
			p := m.Parameters
			if p.Temperature == nil || *p.Temperature != 0.7 || p.TopP == nil || *p.TopP != 0.9 || p.MaxTokens != 2048 || p.StopSequences != nil {
				t.Errorf("parameters %+v", p)
			}
			if _, _, partial := m.PartialGPULayers(); partial {
				t.Error("leaves layers on the CPU")
			}
		})
	}
}

func TestCatalogLookup(t *testing.T) {
	c := embedded(t)
	for ask, want := range map[string]string{
		"llama3.2:3b":         "llama3.2:3b",
		"mixtral:8x7b":        "mixtral:8x7b", // also the tag of mistral:8x7b: names come first
		"mistral:8x7b":        "mistral:8x7b",
		"llama3.2-vision:11b": "llama3.2-vision:8b",
		"mistrallite:7b":      "mistral-lite:3b",
		"qwen3:0.6b":          "qwen3:0.6b",
		"qwen3:30b":           "qwen3:30b",
		"qwen3:30b-a3b":       "qwen3:30b-a3b",
		"Qwen2.5-7B-Instruct": "Qwen2.5-7B-Instruct",
		"qwen2.5:7b":          "qwen2.5:7b",
		"codellama:7b":        "", // only an alias has the tag
		"qwen3:0.7b":          "",
		"NA":                  "",
		"":                    "",
	} {
		m, ok := c.Lookup(ask)
		if m.Name != want || ok != (want != "") {
			t.Errorf("Lookup(%q) = %q, %v; want %q", ask, m.Name, ok, want)
		}
	}
	c.Models()[0].Name = "changed"
	if _, ok := c.Lookup("changed"); ok {
		t.Error("Models hands out the catalog's own slice")
	}
}

func TestModelsWithoutTag(t *testing.T) {
	want := map[string]string{
		"llama3.2:7b": "llama3.1:8b", "llama3.2:70b": "llama3.3:70b", "llama3.3:8b": "llama3.1:8b", "phi3:small": "phi3:medium",
		"phi3:vision": "llava-phi3:3.8b", "mistral-small:7b": "mistral-small:22b", "mistral-large:33b": "mistral-large:123b",
	}
	for _, m := range embedded(t).Models() {
		_, _, err := Resolve(m.Name, "")
		alternative, none := want[m.Name]
		if none != (err != nil) {
			t.Errorf("Resolve(%s): %v", m.Name, err)
		}
		if !none {
			continue
		}
		var noTag *NoTagError
		if !errors.As(err, &noTag) || noTag.Name != m.Name || !slices.Contains(noTag.Alternatives, alternative) ||
			!strings.Contains(err.Error(), alternative) {
			t.Errorf("Resolve(%s): %v, want a NoTagError with %s", m.Name, err, alternative)
		}
	}
}
