package gpu

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/await"
)

// standIn makes PATH hold a shell script as the only nvidia-smi and returns the folder, where it may leave files. The
// shell and its tools are named by their paths in the scripts.
func standIn(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	if script != "" {
		script = "#!/bin/sh\ndir='" + dir + "'\necho \"$@\" >>\"$dir/asked\"\n" + script + "\n"
		if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return dir
}

func asked(t *testing.T, dir string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

const coreAnswer = `echo "0, GPU-a, NVIDIA L4, 23034, 100, 22300"`

func TestQuerySMI(t *testing.T) {
	table, err := filepath.Abs("testdata/smi/two-a100.csv")
	if err != nil {
		t.Fatal(err)
	}
	dir := standIn(t, "/bin/cat '"+table+"'")
	r, err := querySMI(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Source != SourceNvidiaSMI || r.Driver != "550.54.15" || len(r.Devices) != 2 || *r.Devices[1].Load.PowerMW != 388070 {
		t.Errorf("%+v", r)
	}
	want := "--query-gpu=" + strings.Join(smiFields, ",") + " --format=csv,noheader,nounits"
	if got := asked(t, dir); !slices.Equal(got, []string{want}) {
		t.Errorf("asked %q", got)
	}
}

// A driver before 510 does not know memory.reserved; the rest, MIG above all, must still be asked.
func TestQuerySMIUnknownField(t *testing.T) {
	dir := standIn(t, `case "$1" in
	*memory.reserved*) echo 'Field "memory.reserved" is not a valid field to query.'; echo; exit 2;;
	esac
	echo "0, GPU-a, NVIDIA A100-SXM4-40GB, 00000000:07:00.0, 40536, 0, 40536, 8.0, 0, 50.00, 30, 0, 0x0000000000000001, Enabled, 470.57.02"`)
	r, err := querySMI(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Devices) != 1 || !r.Devices[0].MIGEnabled || r.Devices[0].Memory.Reserved != 0 {
		t.Errorf("%+v", r.Devices)
	}
	if n := len(asked(t, dir)); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestQuerySMIUnknownFieldNotNamed(t *testing.T) {
	dir := standIn(t, `case "$1" in *,compute_cap,*) echo "invalid argument" >&2; exit 2;; esac
	`+coreAnswer)
	r, err := querySMI(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Devices) != 1 || r.Devices[0].Memory.Used != 100<<20 {
		t.Errorf("%+v", r.Devices)
	}
	want := []string{"--query-gpu=" + strings.Join(smiCore, ",") + " --format=csv,noheader,nounits"}
	if got := asked(t, dir); len(got) != 2 || !slices.Equal(got[1:], want) {
		t.Errorf("asked %q", got)
	}
}

func TestQuerySMIRefusals(t *testing.T) {
	for _, c := range []struct {
		name, script string
		noDriver     bool
		want         string
		calls        int
	}{
		{"no driver", `echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running."; echo; exit 9`,
			true, "couldn't communicate with the NVIDIA driver", 1},
		{"no library", `echo "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system." >&2; exit 12`, true, "libnvidia-ml.so", 1},
		{"GPU off the bus", `echo "Unable to determine the device handle for GPU0000:88:00.0: GPU is lost."; exit 15`, false, "exit code 15: Unable to determine", 1},
		{"nothing", `echo "Unable to reach a GPU" >&2`, false, "no table, exit code 0: Unable", 1},
		{"silent", `exit 3`, false, "exit code 3: no message", 1},
		{"garbage", `echo '<html>login</html>'`, false, "1 fields", 1},
		{"every field unknown", `exit 2`, false, "exit code 2", 2},
		{"a core field unknown", `echo 'Field "uuid" is not a valid field to query.'; exit 2`, false, `Field "uuid"`, 1},
		{"names a field not asked", `echo 'Field "nonsense" is not a valid field to query.'; exit 6`, false, `Field "nonsense"`, 2},
		{"flood", `while :; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; done | /usr/bin/head -c 2000000`, false, "the output exceeds", 1},
		{"killed", `kill -9 $$`, false, "killed", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := standIn(t, c.script)
			_, err := querySMI(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrNoDriver) != c.noDriver {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if n := len(asked(t, dir)); n != c.calls {
				t.Errorf("asked %d times, want %d", n, c.calls)
			}
		})
	}
}

func TestQuerySMINoGPU(t *testing.T) {
	standIn(t, `echo "No devices were found"; exit 6`)
	if r, err := querySMI(t.Context()); err != nil || len(r.Devices) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A corrupted infoROM is said by the exit code, after a whole answer.
func TestQuerySMIAnswerWithWarning(t *testing.T) {
	table, err := filepath.Abs("testdata/smi/two-a100.csv")
	if err != nil {
		t.Fatal(err)
	}
	standIn(t, "/bin/cat '"+table+"'; echo 'WARNING: infoROM is corrupted at gpu 0000:07:00.0' >&2; exit 14")
	if r, err := querySMI(t.Context()); err != nil || len(r.Devices) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestQuerySMINotInPath(t *testing.T) {
	standIn(t, "")
	if _, err := querySMI(t.Context()); !errors.Is(err, ErrNoDriver) || !strings.Contains(err.Error(), "not in PATH") {
		t.Errorf("got %v", err)
	}
}

// A hanging nvidia-smi is killed with what it started.
func TestQuerySMIHang(t *testing.T) {
	dir := standIn(t, `/bin/sleep 300 & echo $! >"$dir/child"; wait`)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := querySMI(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("got %v", err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	await.Until(t, "the child's end", func() bool { return !running(pid) })
}

// running reports whether the process runs; a zombie does not.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
