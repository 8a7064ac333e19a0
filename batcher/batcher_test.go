package batcher

import (
	"errors"
	"strings"
	"testing"

	"fluxworker/modelcfg"
)

func TestDecide(t *testing.T) {
	few, all := 20, 32
	yaml := modelcfg.Model{Name: "m", File: "m.yaml", Resources: modelcfg.Resources{BatchSize: 6}, Architecture: modelcfg.Architecture{ContextLength: 8192, Layers: 32}}
	single := yaml
	single.Architecture.SingleSlot = true
	partial, whole := yaml, yaml
	partial.Resources.GPULayers, whole.Resources.GPULayers = &few, &all

	tests := []struct {
		name     string
		model    modelcfg.Model
		wish     Wish
		slots    int
		context  int
		warnings int
	}{
		{"unknown model", modelcfg.Model{Name: "x"}, Wish{Context: 4096}, DefaultSlots, 4096, 0},
		{"slots of the YAML", yaml, Wish{Context: 4096}, 6, 4096, 0},
		{"slots of the user", yaml, Wish{Slots: 16, Context: 4096}, 16, 4096, 0},
		{"context beyond the model", yaml, Wish{Context: 10000}, 6, 8192, 1},
		{"single slot", single, Wish{Context: 4096}, 1, 4096, 1},
		{"single slot asked for", single, Wish{Slots: 1, Context: 4096}, 1, 4096, 0},
		{"all layers", whole, Wish{Context: 4096}, 6, 4096, 0},
		{"some layers allowed", partial, Wish{Context: 4096, AllowCPULayers: true}, 6, 4096, 1},
		{"some layers without a GPU", partial, Wish{Context: 4096, CPU: true}, 6, 4096, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Decide(tt.model, tt.wish)
			if err != nil {
				t.Fatal(err)
			}
			if p.Slots != tt.slots || p.Context != tt.context || len(p.Warnings) != tt.warnings {
				t.Errorf("got %d slots, context %d, warnings %q; want %d, %d and %d of them",
					p.Slots, p.Context, p.Warnings, tt.slots, tt.context, tt.warnings)
			}
		})
	}
}

func TestDecideRefusesPartialLayers(t *testing.T) {
	few := 20
	m := modelcfg.Model{Name: "m", File: "m.yaml", Resources: modelcfg.Resources{GPULayers: &few}, Architecture: modelcfg.Architecture{Layers: 32}}
	_, err := Decide(m, Wish{Context: 4096})
	var layers *LayersError
	if !errors.As(err, &layers) || layers.GPULayers != 20 || layers.Layers != 32 {
		t.Fatalf("got %v, want a LayersError of 20 of 32", err)
	}
	for _, part := range []string{"m.yaml", "gpu_layers is 20", "32 layers", "--allow-cpu-layers"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %q", err, part)
		}
	}
}
