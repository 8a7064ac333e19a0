package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fluxworker/test/build"
)

// onDisk lets the job's results go to a disk of their own. It needs root.
func (j *job) onDisk(mount func(dir string) error) (dir string) {
	j.t.Helper()
	if os.Geteuid() != 0 {
		build.Missing(j.t, "not root: no disk can be mounted")
	}
	dir = j.path("disk")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		j.t.Fatal(err)
	}
	if err := mount(dir); err != nil {
		j.t.Fatalf("mount a disk: %v", err)
	}
	j.t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	for _, name := range []string{"results.jsonl", "results-errors.jsonl", "results.run"} {
		if err := os.Symlink(filepath.Join("disk", name), j.path(name)); err != nil { // where the tests look
			j.t.Fatal(err)
		}
	}
	j.args = append(j.args, "--output", "disk/results.jsonl")
	return dir
}

// intact demands that the results hold whole lines and right answers, though not all of them.
func (j *job) intact(rows int) {
	j.t.Helper()
	data, err := os.ReadFile(j.path("results.jsonl"))
	if err != nil || !bytes.HasSuffix(data, []byte("\n")) {
		j.t.Fatalf("the results end in the middle of a line (%v)", err)
	}
	got := j.lines("results.jsonl")
	if len(got) == 0 || len(got) >= rows {
		j.t.Fatalf("%d rows have an answer, want some of %d", len(got), rows)
	}
	for i := range rows {
		if l, ok := got[fmt.Sprintf("row-%d", i)]; ok && l.Response.Body.Choices[0].Message.Content != answerTo(promptOf(i)) {
			j.t.Errorf("row-%d: %+v", i, l.Response.Body.Choices[0])
		}
	}
}

// A full disk ends the run: what is intact stays, the message names the disk, and with some room the same command goes on.
func TestFullDisk(t *testing.T) {
	const rows = 1000
	oneEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g)
		size := func(kib int) error {
			return unix.Mount("tmpfs", j.path("disk"), "tmpfs", 0, fmt.Sprintf("size=%dk", kib))
		}
		j.onDisk(func(string) error { return size(200) })
		j.writeRows(rows)
		j.run(84)
		if !strings.Contains(j.stderr.String(), "write disk/results.jsonl: the disk is full; free some space and run the same command again to go on") {
			t.Error("the message does not name the disk's trouble")
		}
		j.intact(rows)
		if err := unix.Mount("tmpfs", j.path("disk"), "tmpfs", unix.MS_REMOUNT, "size=32768k"); err != nil {
			t.Fatal(err)
		}
		j.run(0)
		j.checkRows(rows)
	})
}

// A file system that goes read-only under the run, as ext4 does after an error of its device.
func TestDiskTurnsReadOnly(t *testing.T) {
	const rows = 600
	oneEngine(t, func(t *testing.T, g generation) {
		if _, err := exec.LookPath("mkfs.ext4"); err != nil {
			build.Missing(t, "no mkfs.ext4: %v; install e2fsprogs", err)
		}
		j := newJob(t, g)
		image := j.path("image")
		mount := func(dir string) error {
			out, err := exec.Command("mount", "-o", "loop,errors=remount-ro", image, dir).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		}
		dir := j.onDisk(func(dir string) error {
			if err := os.WriteFile(image, nil, 0o600); err != nil {
				return err
			}
			if err := os.Truncate(image, 32<<20); err != nil {
				return err
			}
			if out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return mount(dir)
		})
		j.writeRows(rows)
		cmd := j.start()
		j.await("answers", func() bool { return j.answered() >= 50 })
		breakDisk(t, dir)
		j.wait(cmd, 84)
		if !strings.Contains(j.stderr.String(), "read-only file system; choose an --output in a folder that you may write to") {
			t.Error("the message does not name the disk's trouble")
		}
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if out, err := exec.Command("e2fsck", "-fy", image).CombinedOutput(); err != nil && len(out) == 0 {
			t.Fatalf("%v: %s", err, out) // it says what it mended by its exit code
		}
		if err := mount(dir); err != nil {
			t.Fatal(err)
		}
		j.run(0)
		j.checkRows(rows)
	})
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

// Permissions that are taken away in mid-run. Root is above them, so this is somebody else's run.
func TestPermissionTakenAway(t *testing.T) {
	const rows = 600
	oneEngine(t, func(t *testing.T, g generation) {
		j := newJob(t, g)
		all := users()
		j.runAs(all[len(all)-1], g)
		j.writeRows(rows)
		if err := os.Mkdir(j.path("own"), 0o700); err != nil {
			t.Fatal(err)
		}
		j.own()
		cmd := j.start("--output", "own/results.jsonl")
		answered := func() int {
			data, _ := os.ReadFile(j.path("own/results.jsonl"))
			return bytes.Count(data, []byte("\n"))
		}
		j.await("answers", func() bool { return answered() >= 50 })
		for _, path := range []string{"own/results.run", "own"} {
			if err := os.Chmod(j.path(path), 0); err != nil {
				t.Fatal(err)
			}
		}
		j.wait(cmd, 84)
		if !strings.Contains(j.stderr.String(), "own/results.run: permission denied; choose an --output in a folder that you may write to") {
			t.Error("the message does not name the folder")
		}
		for _, path := range []string{"own", "own/results.run"} {
			if err := os.Chmod(j.path(path), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if n := answered(); n >= rows {
			t.Fatalf("all %d rows were answered before the permission was gone", n)
		}
		j.run(0, "--output", "own/results.jsonl")
		for _, name := range []string{"results.jsonl", "results-errors.jsonl"} {
			if err := os.Symlink(filepath.Join("own", name), j.path(name)); err != nil {
				t.Fatal(err)
			}
		}
		j.checkRows(rows)
	})
}
