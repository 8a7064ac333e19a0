package gpu

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fluxworker/gpu"
	"fluxworker/test/build"
	"fluxworker/test/gpu/synthetic"
	"fluxworker/test/harness"
)

const gib = 1 << 30

// leavesOf returns what the ballast leaves of a card with so many bytes free: enough for the largest synthetic model with some
// slots, and so little that a plan does not come to the most slots that it takes by itself.
func leavesOf(free int64) []int64 {
	most := min(20*gib, free)
	return []int64{most, most * 7 / 10, most / 2}
}

// folder returns the folder that build.sh fills.
func folder(t *testing.T) string {
	t.Helper()
	return filepath.Join(filepath.Dir(build.Cache(t)), "gpu")
}

// nvml asks the driver by the product's own probe.
func nvml(t *testing.T) gpu.Report {
	t.Helper()
	report, err := gpu.Probe{Path: build.Probe(t)}.Report(context.Background())
	if errors.Is(err, gpu.ErrNoDriver) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// realCard returns the first GPU of the machine. The test skips where something is missing.
func realCard(t *testing.T) (*card, gpu.Device) {
	t.Helper()
	if why := lacks(t, "lacks"); why != "" {
		t.Skip(why)
	}
	ballast := filepath.Join(folder(t), "ballast")
	if _, err := os.Stat(ballast); err != nil {
		t.Skipf("%v; make gpu-test builds it", err)
	}
	report := nvml(t)
	if len(report.Devices) == 0 {
		t.Skip("the driver shows no GPU")
	}
	d := report.Devices[0]
	if d.MIGEnabled {
		t.Skipf("GPU %s is cut into MIG instances; the steps want a whole GPU", d.UUID)
	}
	models := filepath.Join(folder(t), "models")
	if err := os.MkdirAll(models, 0o755); err != nil {
		t.Fatal(err)
	}
	c := &card{
		name: d.Name, measures: true, leaves: leavesOf(int64(d.Memory.Free)), shapes: synthetic.Shapes(),
		contexts: map[string]string{"8b": "4096", "hybrid": "32768", "window": "4096"},
		work:     work{rowsPerSlot: 8, prompt: 200, answer: 64},
		model: func(t *testing.T, s synthetic.Shape) string {
			file := filepath.Join(models, s.Name+".gguf")
			if _, err := os.Stat(file); err != nil {
				if err := s.Write(file); err != nil {
					t.Fatal(err)
				}
			}
			return file
		},
		use: func(j *harness.Job, _ harness.Generation, _ ...string) {
			j.Env = append(j.Env, "CUDA_VISIBLE_DEVICES="+d.UUID)
		},
		fill: func(t *testing.T, leave int64) func() { return holdMemory(t, ballast, d.UUID, leave) },
	}
	c.used = func(t *testing.T) int64 {
		for _, now := range nvml(t).Devices {
			if now.UUID == d.UUID {
				return int64(now.Memory.Used)
			}
		}
		t.Fatalf("the driver no longer shows %s", d.UUID)
		return 0
	}
	return c, d
}

// holdMemory starts a ballast, and waits until the ballast holds its memory.
func holdMemory(t *testing.T, ballast, uuid string, leave int64) (release func()) {
	t.Helper()
	cmd := exec.Command(ballast, strconv.FormatInt(leave>>20, 10))
	cmd.Env = append(os.Environ(), "CUDA_VISIBLE_DEVICES="+uuid)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test program that is killed leaves nothing
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	released := false
	release = func() {
		if !released {
			released = true
			stdin.Close()
			cmd.Wait()
		}
	}
	t.Cleanup(release)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%s ended without a word: %v", ballast, err)
	}
	t.Logf("ballast: %s", strings.TrimSpace(line))
	return release
}

// engines returns the generations with a CUDA backend. A generation without one is told.
func engines(t *testing.T) []harness.Generation {
	t.Helper()
	var found []harness.Generation
	for _, name := range []string{"old", "new"} {
		if why := lacks(t, name[:1]+".lacks"); why != "" {
			t.Log(why)
			continue
		}
		ollama := filepath.Join(folder(t), name[:1], "bin", "ollama")
		if _, err := os.Stat(ollama); err != nil {
			t.Logf("%v; make gpu-test builds it", err)
			continue
		}
		found = append(found, harness.Generation{Name: name, Ollama: ollama})
	}
	return found
}
