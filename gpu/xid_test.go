package gpu_test

import (
	"testing"

	"fluxworker/gpu"
)

func TestXIDConsequence(t *testing.T) {
	for code, want := range map[uint64]gpu.Consequence{
		79: gpu.Unusable, 95: gpu.Unusable, 48: gpu.ProcessesDie, 94: gpu.ProcessesDie,
		13: gpu.Passing, 31: gpu.Passing, 43: gpu.Passing, 45: gpu.Passing, 63: gpu.Passing, 64: gpu.Passing, 119: gpu.Passing,
	} {
		if got := (gpu.XID{Code: code}).Consequence(); got != want {
			t.Errorf("XID %d: %d, want %d", code, got, want)
		}
	}
}

func TestXIDHits(t *testing.T) {
	seven := 7
	whole, other := gpu.Device{UUID: "GPU-a"}, gpu.Device{UUID: "GPU-b"}
	first, second := gpu.Device{UUID: "MIG-1", Parent: "GPU-a", GI: 7}, gpu.Device{UUID: "MIG-2", Parent: "GPU-a", GI: 8}
	for _, tt := range []struct {
		xid  gpu.XID
		want [4]bool // whole, other, first, second
	}{
		{gpu.XID{UUID: "GPU-a"}, [4]bool{true, false, true, true}},
		{gpu.XID{UUID: "GPU-a", GI: &seven}, [4]bool{true, false, true, false}},
		{gpu.XID{UUID: "GPU-b"}, [4]bool{false, true, false, false}},
		{gpu.XID{}, [4]bool{}},
	} {
		for i, d := range []gpu.Device{whole, other, first, second} {
			if got := tt.xid.Hits(d); got != tt.want[i] {
				t.Errorf("%+v on %s: %t", tt.xid, d.UUID, got)
			}
		}
	}
}
