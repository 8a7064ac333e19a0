package standin

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fluxworker/test/build"
	"fluxworker/test/harness"
)

// onDisk lets the job's results go to a disk of their own. It needs root.
func onDisk(j *harness.Job, mount func(dir string) error) (dir string) {
	j.T.Helper()
	if os.Geteuid() != 0 {
		build.Missing(j.T, "not root: no disk can be mounted")
	}
	dir = j.Path("disk")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		j.T.Fatal(err)
	}
	if err := mount(dir); err != nil {
		j.T.Fatalf("mount a disk: %v", err)
	}
	j.T.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	for _, name := range []string{"results.jsonl", "results-errors.jsonl", "results.run"} {
		if err := os.Symlink(filepath.Join("disk", name), j.Path(name)); err != nil { // where the tests look
			j.T.Fatal(err)
		}
	}
	j.Args = append(j.Args, "--output", "disk/results.jsonl")
	return dir
}

// intact demands that the results hold whole lines and right answers, though not all of them.
func intact(j *harness.Job, rows int) {
	j.T.Helper()
	data, err := os.ReadFile(j.Path("results.jsonl"))
	if err != nil || !bytes.HasSuffix(data, []byte("\n")) {
		j.T.Fatalf("the results end in the middle of a line (%v)", err)
	}
	got := j.Lines("results.jsonl")
	if len(got) == 0 || len(got) >= rows {
		j.T.Fatalf("%d rows have an answer, want some of %d", len(got), rows)
	}
	for i := range rows {
		if l, ok := got[fmt.Sprintf("row-%d", i)]; ok && l.Response.Body.Choices[0].Message.Content != harness.AnswerTo(harness.PromptOf(i)) {
			j.T.Errorf("row-%d: %+v", i, l.Response.Body.Choices[0])
		}
	}
}

// A full disk ends the run: what is intact stays, the message names the disk, and with some room the same command goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	const rows = 1000
	j := harness.New(t)
	j.UseStandIn()
	onDisk(j, func(dir string) error { return unix.Mount("tmpfs", dir, "tmpfs", 0, "size=200k") })
	j.WriteRows(rows)
	j.Run(84)
	if !strings.Contains(j.Stderr.String(), "write disk/results.jsonl: the disk is full; free some space and run the same command again to continue") {
		t.Error("the message does not name the disk's trouble")
	}
	intact(j, rows)
	if err := unix.Mount("tmpfs", j.Path("disk"), "tmpfs", unix.MS_REMOUNT, "size=32768k"); err != nil {
		t.Fatal(err)
	}
	j.Run(0)
	j.CheckRows(rows)
}

// A file system that goes read-only under the run, as ext4 does after an error of its device.
func TestDiskTurnsReadOnly(t *testing.T) {
	t.Parallel()
	const rows = 100
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		build.Missing(t, "no mkfs.ext4: %v; install e2fsprogs", err)
	}
	j := harness.New(t)
	j.UseStandIn()
	j.Args = append(j.Args, "--lock-stale", "1s") // repairing the disk may cost the lock of the first run
	image := j.Path("image")
	mount := func(image, dir string) error { return run("mount", "-o", "loop,errors=remount-ro", image, dir) }
	dir := onDisk(j, func(dir string) error {
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			return err
		}
		if err := os.Truncate(image, 32<<20); err != nil {
			return err
		}
		if err := run("mkfs.ext4", "-q", image); err != nil {
			return err
		}
		return mount(image, dir)
	})
	j.WriteRows(rows)
	cmd := j.StartAndHold(50)
	breakDisk(t, dir)
	j.Release()
	j.Wait(cmd, 84)
	if !strings.Contains(j.Stderr.String(), "read-only file system; choose an --output in a writable folder") {
		t.Error("the message does not name the disk's trouble")
	}
	if err := run("umount", dir); err != nil {
		t.Fatal(err)
	}
	repaired := j.Path("repaired") // servers of other tests, in mount namespaces of their own, may still hold the broken file system
	if err := run("cp", "--sparse=always", image, repaired); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("e2fsck", "-fy", repaired).CombinedOutput(); err != nil && len(out) == 0 {
		t.Fatalf("%v: %s", err, out) // its exit code says what it mended
	}
	if err := mount(repaired, dir); err != nil {
		t.Fatal(err)
	}
	j.Run(0)
	j.CheckRows(rows)
}

// run runs a command of the system.
func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %q: %w: %s", name, args, err, out)
	}
	return nil
}

// breakDisk makes the kernel believe that the disk's file system is damaged.
func breakDisk(t *testing.T, dir string) {
	t.Helper()
	var info unix.Stat_t
	if err := unix.Stat(dir, &info); err != nil {
		t.Fatal(err)
	}
	device, err := os.Readlink(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(info.Dev), unix.Minor(info.Dev)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("/sys/fs/ext4", filepath.Base(device), "trigger_fs_error"), []byte("1"), 0o200); err != nil {
		t.Fatal(err)
	}
}

// Permissions that are taken away in mid-run. Root is above them, so this is another user's run.
func TestPermissionTakenAway(t *testing.T) {
	t.Parallel()
	const rows = 100
	all := harness.Users()
	j := harness.New(t)
	j.RunAs(all[len(all)-1])
	j.UseStandIn()
	j.WriteRows(rows)
	if err := os.Mkdir(j.Path("own"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"results.jsonl", "results-errors.jsonl"} {
		if err := os.Symlink(filepath.Join("own", name), j.Path(name)); err != nil { // where the tests look
			t.Fatal(err)
		}
	}
	j.Own()
	j.Args = append(j.Args, "--output", "own/results.jsonl")
	cmd := j.StartAndHold(50)
	for _, path := range []string{"own/results.run", "own"} {
		if err := os.Chmod(j.Path(path), 0); err != nil {
			t.Fatal(err)
		}
	}
	j.Release()
	j.Wait(cmd, 84)
	// The run notices it at its lock or at its results, whichever it looks at first.
	if !regexp.MustCompile(`own/results\.(run|jsonl): permission denied; choose an --output in a writable folder`).MatchString(j.Stderr.String()) {
		t.Error("the message does not name the place")
	}
	for _, path := range []string{"own", "own/results.run"} {
		if err := os.Chmod(j.Path(path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	j.Run(0)
	j.CheckRows(rows)
}
