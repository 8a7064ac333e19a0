package ollama

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Isolation says whether a server lives in its own user, network and PID namespaces. Other users of the node cannot
// reach an isolated server, and the kernel ends all its processes together with the first one. Root, too, has no
// privilege in the namespaces and can read only world-readable files of other users.
type Isolation string

// Values of Isolation. A server that pulls a model must not be isolated: it has no network outside.
const (
	IsolateAuto   Isolation = "auto"   // isolate if possible; Server.IsolationRefused returns the reason if it was not
	IsolateAlways Isolation = "always" // fail if isolation is not possible
	IsolateNever  Isolation = "never"  // do not isolate; same as the zero value
)

// isolations lists the valid values.
func isolations() []Isolation { return []Isolation{IsolateAuto, IsolateAlways, IsolateNever} }

func (i Isolation) check() error {
	if i != "" && !slices.Contains(isolations(), i) {
		return fmt.Errorf("isolation %q is unknown; use auto, always or never", string(i))
	}
	return nil
}

// namespaces returns the attributes of an isolated guard. Other users and groups map to nobody. The rights of the
// supplementary groups remain, because a process without privileges cannot drop them. The guard uses the capabilities to
// prepare the namespaces, and drops them before the server starts.
func namespaces() *syscall.SysProcAttr {
	uid, gid := os.Geteuid(), os.Getegid()
	return &syscall.SysProcAttr{
		Setpgid:     true,
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
		AmbientCaps: []uintptr{
			unix.CAP_NET_ADMIN, // to bring up loopback
			unix.CAP_SYS_ADMIN, // to mount /proc
		},
	}
}

// namespaceError adds the likely cause to the error of an isolated start, in words that a user can forward to the
// administrator.
func namespaceError(err error) error {
	what := "start in its own namespaces"
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: %w; the kernel, AppArmor or the enclosing container forbids user namespaces", what, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EUSERS):
		return fmt.Errorf("%s: %w; /proc/sys/user/max_*_namespaces is at its limit", what, err)
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS):
		return fmt.Errorf("%s: %w; this kernel has no user namespaces", what, err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// checkSetuid returns an error if the command is a setuid Apptainer: it has no privilege in a user namespace and stops.
func checkSetuid(program string, args []string) error {
	real, err := filepath.EvalSymlinks(program)
	if err != nil {
		return nil // exec reports this error better
	}
	named := func(path string) bool {
		name := filepath.Base(path)
		return name == "apptainer" || name == "singularity"
	}
	if !named(program) && !named(real) || slices.ContainsFunc(args, unprivileged) {
		return nil
	}
	for _, path := range append([]string{real}, starterPaths(real)...) {
		if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSetuid != 0 {
			return fmt.Errorf("%s is setuid, and a setuid %s does not start in a user namespace; add its option --userns",
				path, filepath.Base(program))
		}
	}
	return nil
}

// unprivileged reports whether arg is Apptainer's flag that avoids the setuid starter.
func unprivileged(arg string) bool { return arg == "-u" || arg == "--userns" }

// starterPaths lists the files where distributions install Apptainer's setuid starter.
func starterPaths(program string) []string {
	prefix := filepath.Dir(filepath.Dir(program))
	var found []string
	for _, libexec := range []string{"libexec", "lib", "lib/*", "lib64"} {
		for _, name := range []string{"apptainer", "singularity"} {
			paths, _ := filepath.Glob(filepath.Join(escape(prefix), libexec, name, "bin", "starter-suid"))
			found = append(found, paths...)
		}
	}
	return found
}

// checkDeviceFiles returns an error if CUDA would find no GPUs in a user namespace. CUDA creates a missing device file
// with nvidia-modprobe, which is setuid.
func checkDeviceFiles(dev string) error {
	if _, err := os.Stat(filepath.Join(dev, "nvidiactl")); err != nil {
		return nil // no NVIDIA driver, or a driver without device files
	}
	uvm := filepath.Join(dev, "nvidia-uvm")
	if _, err := os.Stat(uvm); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s does not exist, and CUDA cannot create it in a user namespace; run `nvidia-modprobe -u -c 0`", uvm)
	}
	return nil
}

// escape quotes a path for filepath.Glob.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// isolate makes cmd an isolated guard. The guard finds its end of the socket broker at its first extra file descriptor.
func isolate(cmd *exec.Cmd, brokerEnd *os.File) {
	cmd.SysProcAttr = namespaces()
	cmd.ExtraFiles = []*os.File{brokerEnd}
}
