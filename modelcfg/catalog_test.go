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

func TestCatalogOrderNamesEveryFile(t *testing.T) {
	var listed, found []string
	for _, m := range embedded(t).Models() {
		listed = append(listed, "catalog/"+m.File)
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
	slices.Sort(listed)
	slices.Sort(found)
	if !slices.Equal(listed, found) {
		t.Errorf("order lists %v\nfiles are  %v", listed, found)
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
		"qwen3:0.6b":          "",
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
