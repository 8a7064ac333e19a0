package fleet

import (
	"testing"
	"time"

	"fluxworker/gpu"
)

// sampled is a sample of the GPU "GPU-a"; negative numbers are not reported.
func sampled(energyMJ, powerMW int64) gpu.Device {
	d := gpu.Device{UUID: "GPU-a", Memory: gpu.Memory{Used: 1 << 30, Total: 4 << 30}}
	if energyMJ >= 0 {
		d.Load.EnergyMJ = new(uint64(energyMJ))
	}
	if powerMW >= 0 {
		d.Load.PowerMW = new(uint64(powerMW))
	}
	return d
}

// The power is that of the energy counter since the sample before, and otherwise the driver's reading.
func TestPowerOfAGPU(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	for _, c := range []struct {
		name          string
		first, second gpu.Device
		span          time.Duration
		want          float64 // negative: unknown
	}{
		{"the counter", sampled(0, 1000), sampled(3_000_000, 1000), 10 * time.Second, 300},
		{"no counter", sampled(-1, 1000), sampled(-1, 250_500), 10 * time.Second, 250.5},
		{"samples at the same time", sampled(0, 1000), sampled(3_000_000, 200_000), time.Millisecond, 200},
		{"a counter that went back", sampled(5000, 1000), sampled(10, 200_000), 10 * time.Second, 200},
		{"neither", sampled(-1, -1), sampled(-1, -1), 10 * time.Second, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &GPUWatch{gpus: []*watchedGPU{{Device: c.first}}}
			if m := w.Moments(); m != nil {
				t.Fatalf("moments before the first sample: %+v", m)
			}
			w.add([]gpu.Device{c.first}, begin)
			w.add([]gpu.Device{c.second}, begin.Add(c.span))
			m := w.Moments()
			if len(m) != 1 || m[0].UUID != "GPU-a" || m[0].UsedBytes != 1<<30 || m[0].TotalBytes != 4<<30 {
				t.Fatalf("got %+v", m)
			}
			got := -1.0
			if m[0].Watts != nil {
				got = *m[0].Watts
			}
			if got != c.want {
				t.Errorf("%g W, want %g W", got, c.want)
			}
		})
	}
}

// A lost GPU has no moment, but its use so far.
func TestMomentsOfALostGPU(t *testing.T) {
	t.Parallel()
	w := &GPUWatch{began: time.Now(), stop: func() {}, gpus: []*watchedGPU{{Device: sampled(1000, 0)}}}
	w.add([]gpu.Device{sampled(4000, 0)}, time.Now())
	gone := sampled(-1, -1)
	gone.Health.Lost = true
	if _, lost := w.add([]gpu.Device{gone}, time.Now()); len(lost) != 1 {
		t.Fatalf("%d lost GPUs, want 1", len(lost))
	}
	w.Stop()
	if m := w.Moments(); m != nil {
		t.Errorf("moments of a lost GPU: %+v", m)
	}
	uses := w.Uses()
	if len(uses) != 1 || !uses[0].Lost || uses[0].Joules == nil || *uses[0].Joules != 3 {
		t.Errorf("uses %+v, want a lost GPU with 3 J", uses)
	}
}
