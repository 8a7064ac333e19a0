package standin

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fluxworker/test/fakenvml"
	"fluxworker/test/harness"
)

// newGPUJob makes a job that sees the GPUs of a table, by a library that is really loaded, and whose stand-in servers say that
// they compute there. file is the table's.
func newGPUJob(t *testing.T, driver, table string) (j *harness.Job, file string) {
	t.Helper()
	j = harness.New(t, "--batch-size", "2")
	j.UseStandIn("--gpu")
	return j, j.UseNVML(driver, table)
}

// A critical error or a loss of a GPU in mid-run: what becomes of its server follows from the error's code, and the run goes
// on. Only where lost is set does NVML itself say that the GPU is gone.
func TestGPUFails(t *testing.T) {
	t.Parallel()
	const rows = 200
	tests := []struct {
		name    string
		code    int
		more    string // what else the table says of the second GPU
		lost    bool
		message string // that only this error brings
	}{
		{"lost", 79, "lost=1", true, "GPU lost; ending its server"},
		{"fallen off the bus", 79, "", true, "GPU lost; ending its server"},
		{"contained error", 94, "", false, "server lost; starting it again"},
		{"remapping", 63, "", false, "critical error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j, table := newGPUJob(t, fakenvml.Build(t), harness.GPUs(2, ""))
			j.WriteRows(rows)
			cmd := j.StartAndHoldEach(2, 10)
			gpus := strings.SplitAfter(harness.GPUs(2, ""), "\n")
			fakenvml.Write(t, table, gpus[0]+strings.TrimSpace(gpus[1])+" "+tt.more+fmt.Sprintf("\nxid code=%d\n", tt.code))
			j.AwaitSaid(tt.message)
			j.Release()
			j.Wait(cmd, 0)
			j.CheckRows(rows)
			j.CheckBlameless()
			for _, other := range tests {
				if strings.HasPrefix(other.message, "critical") {
					continue // which each of them is
				}
				if strings.Contains(j.Stderr.String(), other.message) != (other.message == tt.message) {
					t.Errorf("%q: said or not said against expectation", other.message)
				}
			}
			var summary struct {
				GPUs []struct {
					Lost bool
					XIDs []int
				}
			}
			j.Read("results.run/summary.json", &summary)
			if len(summary.GPUs) != 2 || summary.GPUs[0].Lost || summary.GPUs[1].Lost != tt.lost || tt.more == "" && !slices.Equal(summary.GPUs[1].XIDs, []int{tt.code}) {
				t.Errorf("GPUs in the summary: %+v", summary.GPUs)
			}
		})
	}
}

// A server that loaded the model again with a part of it beside the GPU would stay slow for good. The run starts the server
// again; a server that may not be started again goes on.
func TestAServerThatLeavesTheGPUIsStartedAgain(t *testing.T) {
	t.Parallel()
	const rows = 45
	for restarts, said := range map[string]string{"3": "server lost; starting it again", "0": "it may not be started again"} {
		t.Run("restarts "+restarts, func(t *testing.T) {
			t.Parallel()
			j := harness.New(t, "--batch-size", "2", "--stall-timeout", "20s", "--max-restarts", restarts)
			j.UseStandIn("--gpu", "--fault", "slow-all@21")
			j.UseNVML(fakenvml.Build(t), harness.GPUs(1, ""))
			j.WriteRows(rows)
			cmd := j.StartAndHold(30)
			j.AwaitSaid("MiB are on the GPU any more")
			j.AwaitSaid(said)
			j.Release()
			j.Wait(cmd, 0)
			j.CheckRows(rows)
			j.CheckBlameless()
		})
	}
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
		{"all full", harness.GPUs(1, "used_mib=81000"), 81, nil, "does not fit"},
		{"driver crashes", fakenvml.TwoA100 + "on fn=nvmlDeviceGetUUID crash=1\n", 80, nil, "crash"},
		{"driver refuses", "sys init=9\n", 80, nil, "driver"},
		{"no GPU", "", 80, nil, "no GPU"},
	}
	t.Parallel()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j, _ := newGPUJob(t, fakenvml.Build(t), tt.table)
			j.WriteRows(3)
			j.Run(tt.code)
			if tt.message != "" && !strings.Contains(j.Stderr.String(), tt.message) {
				t.Errorf("the message does not say %q", tt.message)
			}
			if tt.code != 0 || tt.gpus == nil {
				return
			}
			m := j.Manifest()
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
}

// A driver without the newer functions tells less, and enough.
func TestOldDriver(t *testing.T) {
	t.Parallel()
	j, _ := newGPUJob(t, fakenvml.BuildOld(t), fakenvml.TwoA100)
	j.WriteRows(20)
	j.Run(0)
	j.CheckRows(20)
}

// A driver that hangs ends the run in bounded time, and nothing of the probe stays.
func TestDriverHangs(t *testing.T) {
	t.Parallel()
	j, _ := newGPUJob(t, fakenvml.Build(t), fakenvml.TwoA100+"on fn=nvmlDeviceGetMemoryInfo_v2 hang=1\n")
	j.WriteRows(3)
	j.Run(80)
	if !strings.Contains(j.Stderr.String(), "within 30") {
		t.Error("the message does not say how long was waited")
	}
}
