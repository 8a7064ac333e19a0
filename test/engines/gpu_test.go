package engines

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

	"fluxworker/test/harness"
)

// Every GPU gets a server, one queue feeds them all, and what a killed one had goes to the others.
func TestFourGPUsOneServerKilled(t *testing.T) {
	t.Parallel()
	const rows = 200
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--batch-size", "2", "--max-restarts", "0")
		j.UseGPUs(g, harness.GPUs(4, ""))
		j.WriteRows(rows)
		const each = 12 // rows of each server, before one is killed
		cmd := j.StartAndHoldEach(4, each)
		var servers []int
		for _, p := range j.Processes() {
			if strings.Contains(p, g.Ollama+" serve") && !strings.Contains(p, " front ") {
				pid, _ := strconv.Atoi(strings.Fields(p)[0])
				servers = append(servers, pid)
			}
		}
		if len(servers) != 4 {
			t.Fatalf("%d real servers run, want 4: %v", len(servers), j.Processes())
		}
		syscall.Kill(servers[0], syscall.SIGKILL)
		j.Release()
		j.Wait(cmd, 0)
		j.CheckRows(rows)
		if !strings.Contains(j.Stderr.String(), "server lost; the others take its rows") {
			t.Error("the loss of a server is not told")
		}
		var devices []string
		for _, s := range j.Seen() {
			devices = append(devices, s.Devices)
			if s.Requests < each {
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
		j.Read("results.run/summary.json", &summary)
		if len(summary.GPUs) != 4 || summary.GPUs[0].Utilisation != 40 || summary.GPUs[0].Hours <= 0 || summary.GPUs[0].Joules == nil {
			t.Errorf("GPUs in the summary: %+v", summary.GPUs)
		}
	})
}

// A server that put some of the model on the CPU is started again with fewer slots; one that cannot be helped is left out, and
// ends the run where it is the only one.
func TestSpill(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t)
		j.UseGPUs(g, harness.GPUs(1, ""), "FRONT_HOLDS=4")
		j.WriteRows(20)
		j.Run(0)
		j.CheckRows(20)
		var m harness.Manifest
		j.Read("results.run/manifest.json", &m)
		if s := m.Plan.Servers[0]; s.Slots != 4 || s.Loaded.Bytes == 0 || s.Loaded.GPUBytes != s.Loaded.Bytes {
			t.Errorf("after the spill: %+v, want 4 slots and all of it on the GPU", s)
		}
		if n := strings.Count(j.Stderr.String(), "starting the server again with less"); n != 3 { // 8, 6, 5, 4
			t.Errorf("the server was started again %d times, want 3", n)
		}

		j = g.NewJob(t)
		j.UseGPUs(g, harness.GPUs(1, ""), "FRONT_HOLDS=0")
		j.WriteRows(3)
		j.Run(81)
		if !strings.Contains(j.Stderr.String(), "does not fit: with 1 slots of 512 tokens") {
			t.Error("the message does not say what did not fit")
		}
		if j.Answered() > 0 {
			t.Error("rows were answered from the CPU")
		}
		var failed struct {
			Failure string `json:"start_error"`
		}
		j.Read("results.run/manifest.json", &failed)
		j.Read("results.run/manifest.json", &m)
		if s := m.Plan.Servers[0]; failed.Failure == "" || s.PredictedBytes == 0 || s.Loaded.GPUBytes >= s.Loaded.Bytes {
			t.Errorf("the manifest of the failed start: %q, %+v", failed.Failure, s)
		}

		j = g.NewJob(t)
		j.UseGPUs(g, harness.GPUs(2, ""), "FRONT_FULL=GPU-10000000-1111-2222-3333-444444444444")
		j.WriteRows(20)
		j.Run(0)
		j.CheckRows(20)
		if !strings.Contains(j.Stderr.String(), "the run goes on without this server") {
			t.Error("that a GPU is not used is not told")
		}
	})
}

// A load that fails for want of GPU memory is tried again with fewer slots, and told. The requests say that all layers are on
// the GPU, so the engines fail instead of moving layers to the CPU.
func TestFailedLoad(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--context", "2048") // the old generation processes no more tokens at once than a slot has
		bodies := j.Path("bodies")
		j.UseGPUs(g, harness.GPUs(1, ""), "FRONT_FAILS=4", "FRONT_BODIES="+bodies)
		j.WriteRows(20)
		j.Run(0)
		j.CheckRows(20)
		if s := j.Manifest().Plan.Servers[0]; s.Slots != 4 || s.Loaded.Bytes == 0 {
			t.Errorf("after the failed loads: %+v, want 4 slots", s)
		}
		if n := strings.Count(j.Stderr.String(), "the GPU has no room for so much; starting the server again with less"); n != 3 { // 8, 6, 5, 4
			t.Errorf("the server was started again %d times, want 3", n)
		}
		requests, err := os.ReadFile(bodies)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(requests)) {
			if asks := strings.HasPrefix(line, "/api/chat") || strings.HasPrefix(line, "/api/generate"); asks && !strings.Contains(line, `"num_gpu":999`) {
				t.Errorf("a request does not say how many layers are on the GPU: %.200s", line)
			}
		}
		log, err := os.ReadFile(j.Path("results.run/server.log"))
		if err != nil {
			t.Fatal(err)
		}
		said := []string{"requested=999", "BatchSize:2048"}
		if g.Name == "new" {
			said = []string{"-ngl 999", "-b 2048 -ub 2048", "prompt cache is disabled"}
		}
		for _, words := range said {
			if !strings.Contains(string(log), words) {
				t.Errorf("the server's log does not say %q", words)
			}
		}

		j = g.NewJob(t)
		j.UseGPUs(g, harness.GPUs(1, ""), "FRONT_FAILS=0")
		j.WriteRows(3)
		j.Run(81)
		if !strings.Contains(j.Stderr.String(), "does not fit: with 1 slots of 512 tokens the GPU had no room for it") {
			t.Error("the message does not say what did not fit")
		}
	})
}

// The KV cache is what slots cost. What is predicted for it is what the engines allocate.
func TestKVCachePrediction(t *testing.T) {
	t.Parallel()
	size := regexp.MustCompile(`KV buffer size = +([0-9.]+) MiB`)
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		for _, tt := range []struct{ slots, context int }{{8, 4096}, {16, 1024}, {5, 3000}} {
			t.Run(fmt.Sprintf("%dx%d", tt.slots, tt.context), func(t *testing.T) {
				j := g.NewJob(t, "--batch-size", strconv.Itoa(tt.slots), "--context", strconv.Itoa(tt.context))
				j.UseGPUs(g, harness.GPUs(1, ""))
				j.WriteRows(1)
				j.Run(0)
				var m harness.Manifest
				j.Read("results.run/manifest.json", &m)
				predicted := 0.0
				for _, term := range m.Plan.Servers[0].Predicted {
					if term.Name == "KV cache" {
						predicted = float64(term.Bytes)
					}
				}
				log, err := os.ReadFile(j.Path("results.run/server.log"))
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
