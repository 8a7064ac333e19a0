package e2e

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fluxworker/test/build"
	"fluxworker/test/fakenvml"
)

// withGPUs makes the job see the GPUs of a table, by the probe in the binary and a library that is really loaded, and its
// servers say that they compute there. It returns the table's file.
func (j *job) withGPUs(g generation, table string, env ...string) string {
	j.t.Helper()
	return j.withDriver(g, fakenvml.Build(j.t), table, env...)
}

// withDriver is withGPUs with the library in a folder.
func (j *job) withDriver(g generation, library, table string, env ...string) string {
	j.t.Helper()
	j.binary = build.Fluxworker(j.t)
	gpus, path := fakenvml.Env(j.t, library, table)
	j.env = append(j.env, gpus[len(gpus)-2:]...)
	j.useFront(g, append([]string{"FRONT_GPU=1"}, env...)...)
	j.args = append(j.args, "--device", "auto")
	return path
}

func gpus(n int, more string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "gpu uuid=GPU-%d0000000-1111-2222-3333-444444444444 pci=00000000:0%d:00.0 reserved_mib=692 energy_mj=1000 util=40 %s\n", i, i, more)
	}
	return b.String()
}

// manifest is what the tests read of a run's manifest.
type manifest struct {
	Plan struct {
		Slots   int
		Context int
		Servers []struct {
			GPUs      []string
			Slots     int
			Predicted []struct {
				Name  string
				Bytes int64
			}
			PredictedBytes int64 `json:"predicted_bytes"`
			Loaded         struct {
				Bytes    int64
				GPUBytes int64 `json:"gpu_bytes"`
			}
		}
	}
}

// Every GPU gets a server, one queue feeds them all, and what a killed one had goes to the others.
func TestFourGPUsOneServerKilled(t *testing.T) {
	const rows = 600
	eachEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g, "--batch-size", "2", "--max-restarts", "0")
		j.withGPUs(g, gpus(4, ""))
		j.writeRows(rows)
		cmd := j.start()
		j.await("answers", func() bool { return j.answered() >= 50 })
		var servers []int
		for _, p := range j.processes() {
			if strings.Contains(p, g.ollama+" serve") && !strings.Contains(p, frontCommand) {
				pid, _ := strconv.Atoi(strings.Fields(p)[0])
				servers = append(servers, pid)
			}
		}
		if len(servers) != 4 {
			t.Fatalf("%d real servers run, want 4: %v", len(servers), j.processes())
		}
		syscall.Kill(servers[0], syscall.SIGKILL)
		j.wait(cmd, 0)
		j.checkRows(rows)
		if !strings.Contains(j.stderr.String(), "server lost; the others take its rows") {
			t.Error("the loss of a server is not told")
		}
		var devices []string
		for _, s := range j.seen() {
			devices = append(devices, s.Devices)
			if s.Requests < 10 {
				t.Errorf("the server on %s was asked %d times only", s.Devices, s.Requests)
			}
		}
		slices.Sort(devices)
		if len(slices.Compact(devices)) != 4 {
			t.Errorf("the servers saw the GPUs %v, want a different one each", devices)
		}
		var summary struct {
			GPUs []struct {
				Utilisation float64  `json:"mean_utilisation_percent"`
				Hours       float64  `json:"gpu_hours"`
				Joules      *float64 `json:"energy_joules"`
			}
		}
		j.read("results.run/summary.json", &summary)
		if len(summary.GPUs) != 4 || summary.GPUs[0].Utilisation != 40 || summary.GPUs[0].Hours <= 0 || summary.GPUs[0].Joules == nil {
			t.Errorf("GPUs in the summary: %+v", summary.GPUs)
		}
	})
}

// A GPU that is lost in mid-run takes its server out; the run goes on with the other.
func TestGPULost(t *testing.T) {
	const rows = 1500
	eachEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g, "--batch-size", "2")
		table := j.withGPUs(g, gpus(2, ""))
		j.writeRows(rows)
		cmd := j.start()
		j.await("answers", func() bool { return j.answered() >= 100 })
		whole := strings.SplitAfter(gpus(2, ""), "\n")
		fakenvml.Write(t, table, whole[0]+strings.TrimSpace(whole[1])+" lost=1\nxid code=79\n")
		j.wait(cmd, 0)
		j.checkRows(rows)
		if !strings.Contains(j.stderr.String(), "GPU lost; ending its server") {
			t.Error("the loss of the GPU is not told")
		}
		var summary struct{ GPUs []struct{ Lost bool } }
		j.read("results.run/summary.json", &summary)
		if len(summary.GPUs) != 2 || summary.GPUs[0].Lost || !summary.GPUs[1].Lost {
			t.Errorf("GPUs in the summary: %+v", summary.GPUs)
		}
	})
}

// What a critical error does to the server follows from its code: nothing, a new start, or its end. NVML itself says nothing of
// a loss here.
func TestXID(t *testing.T) {
	const rows = 1500
	tests := []struct {
		code    int
		lost    bool
		message string // that only this code brings
	}{
		{79, true, "GPU lost; ending its server"},
		{94, false, "server lost; starting it again"},
		{63, false, ""},
	}
	oneEngine(t, func(t *testing.T, g generation) {
		for _, tt := range tests {
			t.Run(strconv.Itoa(tt.code), func(t *testing.T) {
				j := newJob(t, g, "--batch-size", "2")
				table := j.withGPUs(g, gpus(2, ""))
				j.writeRows(rows)
				cmd := j.start()
				j.await("answers", func() bool { return j.answered() >= 100 })
				fakenvml.Write(t, table, gpus(2, "")+fmt.Sprintf("xid code=%d\n", tt.code))
				j.wait(cmd, 0)
				j.checkRows(rows)
				log := j.stderr.String()
				if !strings.Contains(log, "critical error") {
					t.Error("the error is not told")
				}
				for _, other := range tests {
					if other.message != "" && strings.Contains(log, other.message) != (other.code == tt.code) {
						t.Errorf("%q: said or not said against expectation", other.message)
					}
				}
				var summary struct {
					GPUs []struct {
						Lost bool
						XIDs []int
					}
				}
				j.read("results.run/summary.json", &summary)
				if len(summary.GPUs) != 2 || summary.GPUs[0].Lost || summary.GPUs[1].Lost != tt.lost || !slices.Equal(summary.GPUs[1].XIDs, []int{tt.code}) {
					t.Errorf("GPUs in the summary: %+v", summary.GPUs)
				}
			})
		}
	})
}

// A server that put some of the model on the CPU is started again with fewer slots; one that cannot be helped is left out, and
// ends the run where it is the only one.
func TestSpill(t *testing.T) {
	eachEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g)
		j.withGPUs(g, gpus(1, ""), "FRONT_HOLDS=4")
		j.writeRows(20)
		j.run(0)
		j.checkRows(20)
		var m manifest
		j.read("results.run/manifest.json", &m)
		if s := m.Plan.Servers[0]; s.Slots != 4 || s.Loaded.Bytes == 0 || s.Loaded.GPUBytes != s.Loaded.Bytes {
			t.Errorf("after the spill: %+v, want 4 slots and all of it on the GPU", s)
		}
		if n := strings.Count(j.stderr.String(), "starting the server again with less"); n != 3 { // 8, 6, 5, 4
			t.Errorf("the server was started again %d times, want 3", n)
		}

		j = newJob(t, g)
		j.withGPUs(g, gpus(1, ""), "FRONT_HOLDS=0")
		j.writeRows(3)
		j.run(81)
		if !strings.Contains(j.stderr.String(), "does not fit: with 1 slots of 512 tokens") {
			t.Error("the message does not say what did not fit")
		}
		if j.answered() > 0 {
			t.Error("rows were answered from the CPU")
		}
		var failed struct {
			Failure string `json:"start_error"`
		}
		j.read("results.run/manifest.json", &failed)
		j.read("results.run/manifest.json", &m)
		if s := m.Plan.Servers[0]; failed.Failure == "" || s.PredictedBytes == 0 || s.Loaded.GPUBytes >= s.Loaded.Bytes {
			t.Errorf("the manifest of the failed start: %q, %+v", failed.Failure, s)
		}

		j = newJob(t, g)
		j.withGPUs(g, gpus(2, ""), "FRONT_FULL=GPU-10000000-1111-2222-3333-444444444444")
		j.writeRows(20)
		j.run(0)
		j.checkRows(20)
		if !strings.Contains(j.stderr.String(), "the run goes on without this server") {
			t.Error("that a GPU is not used is not told")
		}
	})
}

// What the driver says of the GPUs decides the plan.
func TestWhatTheDriverSays(t *testing.T) {
	const (
		busy = "proc pid=4242 used_mib=80900\n"
		mig  = `gpu uuid=GPU-aaaaaaaa-1111-2222-3333-444444444444 mig=1
mig uuid=MIG-11111111-aaaa-bbbb-cccc-000000000001 profile=1g.10gb gi=7 ci=0 mem_mib=9728 used_mib=12
mig uuid=MIG-11111111-aaaa-bbbb-cccc-000000000002 profile=3g.40gb gi=2 ci=0 mem_mib=40192 used_mib=20
`
	)
	tests := []struct {
		name, table string
		code        int
		gpus        [][]string // of each server, by the first characters
		message     string
	}{
		{"two free", fakenvml.TwoA100, 0, [][]string{{"GPU-aaaaaaaa"}, {"GPU-bbbbbbbb"}}, ""},
		{"one with errors", strings.Replace(fakenvml.TwoA100, "pci=00000000:07", "ecc=1 ecc_uncorr=3 throttle=8 pci=00000000:07", 1), 0, [][]string{{"GPU-aaaaaaaa"}, {"GPU-bbbbbbbb"}}, "clocks_held_down_by=[\"hw_slowdown\"]"},
		{"one busy", strings.NewReplacer("pci=00000000:07", "used_mib=80900 pci=00000000:07", "gpu uuid=GPU-bbbbbbbb", busy+"gpu uuid=GPU-bbbbbbbb").Replace(fakenvml.TwoA100), 0, [][]string{{"GPU-bbbbbbbb"}}, ""},
		{"MIG", mig, 0, [][]string{{"MIG-11111111-aaaa-bbbb-cccc-000000000001"}, {"MIG-11111111-aaaa-bbbb-cccc-000000000002"}}, ""},
		{"another job's", strings.Replace(fakenvml.TwoA100, "pci=00000000:07", "perm=1 pci=00000000:07", 1), 0, [][]string{{"GPU-bbbbbbbb"}}, ""},
		{"one lost", strings.Replace(fakenvml.TwoA100, "pci=00000000:07", "lost=1 pci=00000000:07", 1), 0, [][]string{{"GPU-bbbbbbbb"}}, "lost"},
		{"all full", gpus(1, "used_mib=81000"), 81, nil, "does not fit"},
		{"driver crashes", fakenvml.TwoA100 + "on fn=nvmlDeviceGetUUID crash=1\n", 80, nil, "crash"},
		{"driver refuses", "sys init=9\n", 80, nil, "driver"},
		{"no GPU", "", 80, nil, "no GPU"},
	}
	oneEngine(t, func(t *testing.T, g generation) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				j := newJob(t, g, "--batch-size", "2")
				j.withGPUs(g, tt.table)
				j.writeRows(3)
				j.run(tt.code)
				if tt.message != "" && !strings.Contains(j.stderr.String(), tt.message) {
					t.Errorf("the message does not say %q", tt.message)
				}
				if tt.code != 0 || tt.gpus == nil {
					return
				}
				var m manifest
				j.read("results.run/manifest.json", &m)
				if len(m.Plan.Servers) != len(tt.gpus) {
					t.Fatalf("servers %+v, want %v", m.Plan.Servers, tt.gpus)
				}
				for i, s := range m.Plan.Servers {
					if len(s.GPUs) != len(tt.gpus[i]) || !strings.HasPrefix(s.GPUs[0], tt.gpus[i][0]) {
						t.Errorf("server %d is on %v, want %v", i, s.GPUs, tt.gpus[i])
					}
				}
			})
		}
	})
}

// A driver without the newer functions tells less, and enough.
func TestOldDriver(t *testing.T) {
	eachEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g)
		j.withDriver(g, fakenvml.BuildOld(t), fakenvml.TwoA100)
		j.writeRows(20)
		j.run(0)
		j.checkRows(20)
	})
}

// A driver that hangs ends the run in bounded time, and nothing of the probe stays.
func TestDriverHangs(t *testing.T) {
	oneEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g)
		j.withGPUs(g, fakenvml.TwoA100+"on fn=nvmlDeviceGetMemoryInfo_v2 hang=1\n")
		j.writeRows(3)
		j.run(80)
		if !strings.Contains(j.stderr.String(), "within 30") {
			t.Error("the message does not say how long was waited")
		}
	})
}

// The KV cache is what slots cost. What is predicted for it is what the engines allocate.
func TestKVCachePrediction(t *testing.T) {
	size := regexp.MustCompile(`KV buffer size = +([0-9.]+) MiB`)
	eachEngine(t, func(t *testing.T, g generation) {
		for _, tt := range []struct{ slots, context int }{{4, 2048}, {8, 4096}, {2, 8192}, {16, 1024}, {5, 3000}} {
			t.Run(fmt.Sprintf("%dx%d", tt.slots, tt.context), func(t *testing.T) {
				j := newJob(t, g, "--batch-size", strconv.Itoa(tt.slots), "--context", strconv.Itoa(tt.context))
				j.withGPUs(g, gpus(1, ""))
				j.writeRows(1)
				j.run(0)
				var m manifest
				j.read("results.run/manifest.json", &m)
				predicted := 0.0
				for _, term := range m.Plan.Servers[0].Predicted {
					if term.Name == "KV cache" {
						predicted = float64(term.Bytes)
					}
				}
				log, err := os.ReadFile(j.path("results.run/server.log"))
				if err != nil {
					t.Fatal(err)
				}
				match := size.FindSubmatch(log)
				if match == nil {
					t.Fatal("the server's log does not tell the size of its KV cache")
				}
				mib, _ := strconv.ParseFloat(string(match[1]), 64)
				allocated := mib * (1 << 20)
				t.Logf("predicted %.0f, allocated %.0f bytes", predicted, allocated)
				if math.Abs(predicted-allocated) > allocated/100 {
					t.Errorf("predicted %.0f bytes, the engine allocated %.0f", predicted, allocated)
				}
			})
		}
	})
}
