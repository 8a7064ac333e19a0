package standin

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fluxworker/test/build"
	"fluxworker/test/harness"
)

// In a folder that every user may write to, another user makes the run folder first, with links named as files of a run. The
// run does not start, and the file behind the links keeps its content.
func TestAnotherUserMakesTheRunFolder(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		build.Missing(t, "not root: no other user can be tried")
	}
	j := harness.New(t)
	j.RunAs(harness.Nobody())
	j.UseStandIn()
	j.WriteRows(3)
	if err := errors.Join(os.WriteFile(j.Path("victim"), []byte("precious"), 0o600), os.Mkdir(j.Path("shared"), 0o777)); err != nil {
		t.Fatal(err)
	}
	j.Own()
	if err := errors.Join(os.Chmod(j.Dir, 0o711), os.Chmod(j.Path("shared"), 0o777)); err != nil {
		t.Fatal(err)
	}
	attack := exec.Command("sh", "-c", `umask 0; mkdir results.run; for name in server.log .manifest.json.new manifest.json summary.json output.json lock.000001; do ln -s ../../victim results.run/$name; done`)
	attack.Dir = j.Path("shared")
	attack.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
	if out, err := attack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	j.Args = append(j.Args, "--output", "shared/results.jsonl")
	j.Run(84)
	if !strings.Contains(j.Stderr.String(), "write shared/results.run: it belongs to user 65533 and not to you (user 65534)") {
		t.Error("the message does not name the folder and its owner")
	}
	if data, err := os.ReadFile(j.Path("victim")); err != nil || string(data) != "precious" {
		t.Errorf("the victim's file has %q, %v", data, err)
	}
	if files, err := filepath.Glob(j.Path("shared/results*.jsonl")); err != nil || len(files) > 0 {
		t.Errorf("made beside the folder: %v, %v", files, err)
	}
}

// Results that another program cuts during a run end the run at the next sync. The same command repairs the file and asks the
// rows that have no line.
func TestResultsCutDuringTheRun(t *testing.T) {
	t.Parallel()
	const rows = 100
	j := harness.New(t)
	j.UseStandIn()
	j.WriteRows(rows)
	cmd := j.StartAndHold(50)
	if err := os.Truncate(j.Path("results.jsonl"), 300); err != nil {
		t.Fatal(err)
	}
	j.Release()
	j.Wait(cmd, 84)
	if !strings.Contains(j.Stderr.String(), "write results.jsonl: another program changed the size of the file during the run; run the same command again") {
		t.Error("the message does not say what happened")
	}
	j.Run(0)
	j.CheckRows(rows)
}

// A second worker that writes to the same file by a hard link ends with 83, and the first answers every row once.
func TestTwoNamesOfOneFile(t *testing.T) {
	t.Parallel()
	const rows = 100
	j := harness.New(t)
	j.UseStandIn()
	j.WriteRows(rows)
	cmd := j.StartAndHold(50)
	if err := os.Link(j.Path("results.jsonl"), j.Path("alias.jsonl")); err != nil {
		t.Fatal(err)
	}
	j.Run(83, "--output", "alias.jsonl")
	j.Release()
	j.Wait(cmd, 0)
	j.CheckRows(rows)
}

// A run that waits at nothing: named pipes with the names of its files do not make it deaf to a signal.
func TestNamedPipesDoNotMakeARunDeaf(t *testing.T) {
	t.Parallel()
	j := harness.New(t)
	j.UseStandIn()
	j.WriteRows(100)
	cmd := j.StartAndHold(50)
	for _, name := range []string{"attempts/0002.json", "split.json", "summary.json", ".manifest.json.new"} {
		if err := syscall.Mkfifo(j.Path(filepath.Join("results.run", name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	j.Release()
	j.Wait(cmd, 75)
	j.Run(84)
	if !strings.Contains(j.Stderr.String(), "read results.run/attempts/0002.json: it is a named pipe") {
		t.Error("the message does not name the pipe")
	}
}
