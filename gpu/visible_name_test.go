package gpu

import "testing"

// The number of a GPU counts those that this process can open, as CUDA counts them in a job with ConstrainDevices.
func TestVisibleName(t *testing.T) {
	r := Report{Devices: []Device{
		{Index: 0, UUID: "GPU-other", NoPermission: true}, {Index: 1, UUID: "GPU-a"}, {Index: 2, UUID: "GPU-b"},
		{Index: 3, UUID: "GPU-m", MIGEnabled: true}, {Index: 3, UUID: "MIG-1", Parent: "GPU-m"},
	}}
	for uuid, want := range map[string]string{"GPU-a": "0", "GPU-b": "1", "GPU-unknown": "GPU-unknown"} {
		if got := r.VisibleName(Device{UUID: uuid}); got != want {
			t.Errorf("%s is %s, want %s", uuid, got, want)
		}
	}
	if got := r.VisibleName(r.Devices[4]); got != "MIG-1" {
		t.Errorf("a MIG instance is %s", got)
	}
}
