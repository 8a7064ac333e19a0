package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"fluxworker/test/build"
)

// roomCommand makes the test program enter a room and become another program there: "room ROOM PROGRAM ARGS…".
const roomCommand = "room"

// room is what a program sees of the machine. It has user and mount namespaces of its own, so the machine stays as it is and no
// root is needed.
type room struct {
	Root  string            // the folder that becomes the root; empty is the machine's own
	Binds map[string]string // folders of the machine, by their places in the room
	Dir   string            // where the program starts
	QEMU  string            // if not empty, this qemu-user runs programs of arm64, with the libraries of QEMU_LD_PREFIX
	Spare string            // an empty folder
}

// command returns the command of a program in the room. Its environment is env alone.
func (r room) command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	r.Spare = t.TempDir()
	spec, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{roomCommand, string(spec)}, args...)...)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	return cmd
}

// noRoom is the exit code where the kernel does not give a room.
const noRoom = 125

// output runs a program in the room and demands an exit code.
func (r room) output(t *testing.T, env []string, want int, args ...string) string {
	t.Helper()
	out, err := r.command(t, env, args...).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		build.Missing(t, "no user namespace for a test: %v", err)
	case err != nil && exit.ExitCode() == noRoom:
		build.Missing(t, "%s", out)
	case exit == nil && want != 0, exit != nil && exit.ExitCode() != want:
		t.Fatalf("%q: %v, want exit code %d\n%s", args, err, want, out)
	}
	return string(out)
}

// enterRoom replaces this program by another one in a room. It returns only on failure.
func enterRoom(spec string, args []string) int {
	var r room
	err := json.Unmarshal([]byte(spec), &r)
	if err == nil {
		err = r.enter()
	}
	if err == nil {
		err = syscall.Exec(args[0], args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "enter a room:", err)
	return noRoom
}

func (r room) enter() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if r.QEMU != "" {
		if err := r.emulate(); err != nil {
			return err
		}
	}
	if r.Root == "" {
		return os.Chdir(r.Dir)
	}
	for place, folder := range r.Binds {
		place = filepath.Join(r.Root, place)
		if err := os.MkdirAll(place, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(folder, place, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("bind %s to %s: %w", folder, place, err)
		}
	}
	// The new root must be a mount.
	if err := unix.Mount(r.Root, r.Root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind the root: %w", err)
	}
	if err := os.Chdir(r.Root); err != nil {
		return err
	}
	// The old root lies upon the new one, until it is unmounted (pivot_root(2)).
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	return os.Chdir(r.Dir)
}

// emulate makes the kernel start programs of arm64 by qemu-user, in this user namespace alone (Linux 6.7 and later). The kernel
// hands over the open program (O), since the path of a program in memory names nothing after the exec.
func (r room) emulate() error {
	if err := unix.Mount("binfmt_misc", r.Spare, "binfmt_misc", 0, ""); err != nil {
		return fmt.Errorf("mount binfmt_misc in a user namespace, which takes Linux 6.7: %w", err)
	}
	// The head of an ELF file of 64 bits, little-endian, of either kind of program, for the machine AArch64.
	const head, mask = `\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`, `\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`
	rule := ":aarch64:M::" + head + ":" + mask + ":" + r.QEMU + ":OF"
	if err := os.WriteFile(filepath.Join(r.Spare, "register"), []byte(rule), 0o200); err != nil {
		return fmt.Errorf("register %s for programs of arm64: %w", r.QEMU, err)
	}
	return nil
}
