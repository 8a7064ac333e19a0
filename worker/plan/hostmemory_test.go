package plan

import (
	"errors"
	"strings"
	"testing"

	"fluxworker/batcher"
	"fluxworker/modelcfg"
	"fluxworker/worker/ollama"
	"fluxworker/worker/slurm"
)

func TestMaxFleetBytes(t *testing.T) {
	t.Parallel()
	for limit, want := range map[uint64]int64{
		0: 0, 64 << 30: (64 << 30) / 20 * 19, 2 << 30: 2<<30 - 256<<20, 400 << 20: 300 << 20,
	} {
		if got := MaxFleetBytes(slurm.Memory{Bytes: limit}); got < want-1<<10 || got > want+1<<10 {
			t.Errorf("of %d bytes the servers may hold %d, want %d", limit, got, want)
		}
	}
}

// A plan for a job with too little memory has a warning; on the CPU, where the host memory holds weights and cache, an error.
func TestMemoryOfTheJob(t *testing.T) {
	t.Parallel()
	model := modelcfg.Model{Name: "m:8b"}
	gpu := batcher.Plan{Host: batcher.Host{Servers: 2 << 30, Files: 5 << 30}}
	cpu := batcher.Plan{Host: batcher.Host{Servers: 2 << 30, Model: 6 << 30}}
	for _, tt := range []struct {
		name    string
		plan    batcher.Plan
		cpu     bool
		limit   uint64
		warning string
		fails   bool
	}{
		{"no limit", gpu, false, 0, "", false},
		{"enough", gpu, false, 8 << 30, "", false},
		{"less than the files", gpu, false, 4 << 30, "loading may be slow", false},
		{"less than the servers", gpu, false, 1 << 30, "the kernel may kill them; --mem=8G would do", false},
		{"on the CPU enough", cpu, true, 9 << 30, "", false},
		{"on the CPU little", cpu, true, 7 << 30, "the kernel may kill them; --mem=9G would do", false},
		{"on the CPU too little", cpu, true, 5 << 30, "", true},
		{"a server that runs already", batcher.Plan{}, false, 1, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Planner{Model: model, Memory: slurm.Memory{Bytes: tt.limit, From: "SLURM_MEM_PER_NODE"}}
			if tt.cpu {
				p.Device = ollama.DeviceCPU
			}
			warning, err := p.checkMemory(tt.plan)
			if !strings.Contains(warning, tt.warning) || (warning == "") != (tt.warning == "") {
				t.Errorf("warning %q, want %q", warning, tt.warning)
			}
			var memory *MemoryError
			if tt.fails != errors.As(err, &memory) {
				t.Fatalf("error %v", err)
			}
			if tt.fails && !strings.Contains(err.Error(), "m:8b does not fit the job's memory: on the CPU its weights and KV cache take 6.0 GiB, and the limit is 5.0 GiB (SLURM_MEM_PER_NODE)") {
				t.Errorf("got %v, want the numbers", err)
			}
		})
	}
}
