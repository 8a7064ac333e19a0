package gpu_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluxworker/gpu"
	"fluxworker/test/await"
	"fluxworker/test/build"
	"fluxworker/test/fakenvml"
)

const (
	mib = 1 << 20
	// patience is how long a test waits for what must happen.
	patience = await.Patience
)

// probeOf is the real probe, which loads the stand-in library with a table.
func probeOf(t *testing.T, table string) gpu.Probe {
	t.Helper()
	env, _ := fakenvml.Env(t, fakenvml.Build(t), table)
	return gpu.Probe{Path: build.Probe(t), Timeout: patience, Env: env}
}

func report(t *testing.T, table string) gpu.Report {
	t.Helper()
	r, err := probeOf(t, table).Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTwoGPUs(t *testing.T) {
	t.Parallel()
	device := func(index int, uuid, bus string, power, energy uint64) gpu.Device {
		return gpu.Device{
			Index: index, UUID: uuid, Name: "NVIDIA A100-SXM4-80GB", PCIBus: bus, ComputeCapability: "8.0",
			Memory: gpu.Memory{Total: 81920 * mib, Reserved: 692 * mib, Free: (81920 - 692) * mib, Processes: new(uint64)},
			Load:   gpu.Load{Utilisation: new(uint), PowerMW: &power, EnergyMJ: &energy, Temperature: new(uint(35))},
		}
	}
	want := gpu.Report{Source: gpu.SourceNVML, Driver: "550.54.15", Devices: []gpu.Device{
		device(0, "GPU-aaaaaaaa-1111-2222-3333-444444444444", "00000000:07:00.0", 61000, 123456789),
		device(1, "GPU-bbbbbbbb-1111-2222-3333-444444444444", "00000000:0A:00.0", 59000, 987654321),
	}}
	if got := report(t, fakenvml.TwoA100); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestBusyGPU(t *testing.T) {
	t.Parallel()
	// Process 4244 is in two lists with the same memory, and 4243's is not known.
	d := report(t, `
sys driver=535.10
gpu cc=9.0 mem_mib=81920 used_mib=40444 reserved_mib=700 util=97 temp=91 throttle=0x45 ecc_uncorr=3
proc pid=4242 used_mib=40000
proc pid=4243 used_mib=na
proc pid=4244 used_mib=300
proc pid=4244 used_mib=300 type=G
proc pid=4245 used_mib=44 type=M
`).Devices[0]
	if want := uint64(40344 * mib); d.Memory.Processes == nil || *d.Memory.Processes != want {
		t.Errorf("processes: %v, want %d", d.Memory.Processes, want)
	}
	d.Memory.Processes = nil
	if want := (gpu.Memory{Total: 81920 * mib, Reserved: 700 * mib, Used: 40444 * mib, Free: (81920 - 700 - 40444) * mib}); d.Memory != want {
		t.Errorf("memory: %+v, want %+v", d.Memory, want)
	}
	if *d.Load.Utilisation != 97 || *d.Load.Temperature != 91 || d.ComputeCapability != "9.0" {
		t.Errorf("load: %+v of %s", d.Load, d.ComputeCapability)
	}
	want := gpu.Health{UncorrectedECC: 3, Throttle: []string{"sw_power_cap", "hw_thermal_slowdown"}}
	if !reflect.DeepEqual(d.Health, want) {
		t.Errorf("health: %+v, want %+v", d.Health, want)
	}
}

func TestProcessMemoryUnknown(t *testing.T) {
	t.Parallel()
	d := report(t, "gpu used_mib=500\nproc pid=1 used_mib=na").Devices[0]
	if d.Memory.Processes != nil {
		t.Errorf("processes: %d, want unknown", *d.Memory.Processes)
	}
}

func TestGPUWithoutReadings(t *testing.T) {
	t.Parallel()
	d := report(t, `
gpu ecc=0 mig=none
on fn=nvmlDeviceGetTotalEnergyConsumption ret=3
on fn=nvmlDeviceGetPowerUsage ret=3
on fn=nvmlDeviceGetUtilizationRates ret=3
on fn=nvmlDeviceGetTemperature ret=3
on fn=nvmlDeviceGetComputeRunningProcesses_v3 ret=3
on fn=nvmlDeviceGetGraphicsRunningProcesses_v3 ret=3
on fn=nvmlDeviceGetMPSComputeRunningProcesses_v3 ret=3
`).Devices[0]
	if d.Err != "" || d.Load != (gpu.Load{}) || d.Memory.Processes != nil || d.Memory.Total == 0 {
		t.Errorf("%+v", d)
	}
}

// The GPU's own memory is forbidden, as in the cgroup of a job that was given an instance.
func TestMIG(t *testing.T) {
	t.Parallel()
	r := report(t, `
gpu uuid=GPU-a
mig uuid=MIG-1 profile=1g.10gb gi=7 ci=0 mem_mib=9728 used_mib=12 reserved_mib=3
mig uuid=MIG-2 profile=3g.40gb gi=2 ci=1 mem_mib=40192 used_mib=20000
proc pid=777 used_mib=19000
mig perm=1
gpu uuid=GPU-b
on fn=nvmlDeviceGetMemoryInfo_v2 gpu=0 mig=0 ret=4
on fn=nvmlDeviceGetMemoryInfo gpu=0 mig=0 ret=4
`)
	if len(r.Devices) != 5 {
		t.Fatalf("%d devices: %+v", len(r.Devices), r.Devices)
	}
	whole, one, three, forbidden, other := r.Devices[0], r.Devices[1], r.Devices[2], r.Devices[3], r.Devices[4]
	if !whole.MIGEnabled || whole.MIG() || whole.Err != "" || whole.NoPermission || whole.Load.Utilisation != nil {
		t.Errorf("the GPU: %+v", whole)
	}
	want := gpu.Device{
		UUID: "MIG-1", Parent: "GPU-a", MIGProfile: "1g.10gb", GI: 7, Name: "NVIDIA A100-SXM4-80GB MIG 1g.10gb",
		PCIBus: "00000000:07:00.0", ComputeCapability: "8.0",
		Memory: gpu.Memory{Total: 9728 * mib, Used: 12 * mib, Reserved: 3 * mib, Free: 9713 * mib, Processes: new(uint64)},
	}
	if !reflect.DeepEqual(one, want) {
		t.Errorf("got  %+v\nwant %+v", one, want)
	}
	if three.UUID != "MIG-2" || three.MIGProfile != "3g.40gb" || three.GI != 2 || three.CI != 1 ||
		three.Memory.Total != 40192*mib || *three.Memory.Processes != 19000*mib {
		t.Errorf("3g.40gb: %+v", three)
	}
	if !forbidden.NoPermission || forbidden.Parent != "GPU-a" || forbidden.Err == "" {
		t.Errorf("another job's instance: %+v", forbidden)
	}
	if other.UUID != "GPU-b" || other.Index != 1 || other.MIGEnabled {
		t.Errorf("the GPU after it: %+v", other)
	}
}

func TestUnusableGPUs(t *testing.T) {
	t.Parallel()
	r := report(t, `
gpu perm=1
gpu lost=1
gpu uuid=GPU-lost-meanwhile
gpu uuid=GPU-no-memory
gpu uuid=GPU-reset
gpu uuid=GPU-good
on fn=nvmlDeviceGetUtilizationRates gpu=2 ret=15
on fn=nvmlDeviceGetMemoryInfo_v2 gpu=3 ret=3
on fn=nvmlDeviceGetMemoryInfo gpu=3 ret=3
on fn=nvmlDeviceGetPowerUsage gpu=4 ret=16
`)
	type state struct {
		uuid           string
		noPerm, lost   bool
		err            string
		memoryReadable bool
	}
	want := []state{
		{"", true, false, "open: Insufficient Permissions (NVML code 4)", false},
		{"", false, true, "open: GPU is lost (NVML code 15)", false},
		{"GPU-lost-meanwhile", false, true, "read: GPU is lost (NVML code 15)", true},
		{"GPU-no-memory", false, false, "read memory: Not Supported (NVML code 3)", false},
		{"GPU-reset", false, false, "read: Unknown Error (NVML code 16)", true},
		{"GPU-good", false, false, "", true},
	}
	if len(r.Devices) != len(want) {
		t.Fatalf("%d devices: %+v", len(r.Devices), r.Devices)
	}
	for i, d := range r.Devices {
		got := state{d.UUID, d.NoPermission, d.Health.Lost, d.Err, d.Memory.Total > 0}
		if got != want[i] || d.Index != i {
			t.Errorf("device %d:\ngot  %+v\nwant %+v", i, got, want[i])
		}
	}
}

// An old driver has fewer functions, and a call of one that is missing would end the probe.
func TestOldDriver(t *testing.T) {
	t.Parallel()
	env, _ := fakenvml.Env(t, fakenvml.BuildOld(t), `
gpu used_mib=500 reserved_mib=600 throttle=0x8
proc pid=7 used_mib=400
proc pid=8 used_mib=50
gpu
mig profile=1g.10gb used_mib=10
`)
	r, err := gpu.Probe{Path: build.Probe(t), Env: env}.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := r.Devices[0]
	want := gpu.Memory{Total: 81920 * mib, Used: 1100 * mib, Free: (81920 - 1100) * mib, Processes: new(uint64(450 * mib))}
	if !reflect.DeepEqual(d.Memory, want) {
		t.Errorf("memory: got %+v, want %+v", d.Memory, want)
	}
	if !reflect.DeepEqual(d.Health.Throttle, []string{"hw_slowdown"}) || d.Err != "" {
		t.Errorf("%+v", d)
	}
	if len(r.Devices) != 3 || r.Devices[2].Memory.Used != 10*mib {
		t.Errorf("the instance: %+v", r.Devices)
	}
}

func TestNVMLFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		table    string
		noDriver bool
		text     string
	}{
		"not loaded":       {"sys init=9", true, "driver not loaded"},
		"the toolkit's":    {"sys init=12", true, "no NVML library"},
		"version mismatch": {"sys init=18", false, "Driver/library version mismatch (NVML code 18)"},
		"no count":         {"on fn=nvmlDeviceGetCount_v2 ret=999", false, "count GPUs: Unknown Error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := probeOf(t, c.table).Report(t.Context())
			var driver *gpu.DriverError
			if errors.Is(err, gpu.ErrNoDriver) != c.noDriver || errors.As(err, &driver) == c.noDriver || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %q", err, c.text)
			}
		})
	}
}

func TestNoGPU(t *testing.T) {
	t.Parallel()
	if r := report(t, "sys"); len(r.Devices) != 0 || r.Driver == "" {
		t.Errorf("%+v", r)
	}
}

func TestCrash(t *testing.T) {
	t.Parallel()
	for _, function := range []string{"nvmlInit_v2", "nvmlDeviceGetMemoryInfo_v2"} {
		_, err := probeOf(t, "gpu\non crash=1 fn="+function).Report(t.Context())
		var crash *gpu.CrashError
		if !errors.As(err, &crash) || crash.Signal != syscall.SIGSEGV {
			t.Errorf("%s: %v", function, err)
		}
	}
}

// A library that prints must not spoil the report.
func TestTalkingLibrary(t *testing.T) {
	t.Parallel()
	if r := report(t, "gpu\non fn=nvmlInit_v2 print=1"); len(r.Devices) != 1 {
		t.Errorf("%+v", r)
	}
}

// The user's environment must not keep the probe from starting.
func TestLoaderEnvironment(t *testing.T) {
	t.Parallel()
	p := probeOf(t, "gpu")
	p.Env = append(p.Env, "LD_BIND_NOW=1", "LD_PRELOAD=/nonexistent/lib.so")
	if r, err := p.Report(t.Context()); err != nil || len(r.Devices) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestHang(t *testing.T) {
	t.Parallel()
	for _, function := range []string{"nvmlInit_v2", "nvmlDeviceGetTotalEccErrors"} {
		t.Run(function, func(t *testing.T) {
			t.Parallel()
			p := probeOf(t, "gpu\non hang=1 fn="+function)
			log := newCallLog(t)
			p.Env, p.Timeout = append(p.Env, log.env()), 2*time.Second
			_, err := p.Report(t.Context())
			var timeout *gpu.TimeoutError
			if !errors.As(err, &timeout) || timeout.Stuck || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			pid := log.await(t, function)
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("probe %d is still there: %v", pid, err)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	p := probeOf(t, "on hang=1 fn=nvmlInit_v2")
	log := newCallLog(t)
	p.Env = append(p.Env, log.env())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := p.Report(ctx)
		done <- err
	}()
	log.await(t, "nvmlInit_v2")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
