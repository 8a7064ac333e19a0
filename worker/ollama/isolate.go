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

// Isolation says whether a server lives in a user, network and PID namespace of its own. No other user of the node can
// reach it there, and the kernel ends all of its processes with the first of them. Root, too, has no privilege in there
// and reads of other users' files only what everybody may read.
type Isolation string

// The isolations. A server that is to fetch a model must not be isolated: there is no way out to the network.
const (
	IsolateAuto   Isolation = "auto"   // where it is possible; Server.IsolationRefused says why it was not
	IsolateAlways Isolation = "always" // or the server does not start
	IsolateNever  Isolation = "never"  // the zero value means the same
)

// Isolations lists the values that there are.
func Isolations() []Isolation { return []Isolation{IsolateAuto, IsolateAlways, IsolateNever} }

func (i Isolation) check() error {
	if i != "" && !slices.Contains(Isolations(), i) {
		return fmt.Errorf("isolation %q is none of auto, always and never", string(i))
	}
	return nil
}

// namespaces are what an isolated guard starts in. Users and groups other than ours are nobody in there; what the
// supplementary groups permit stays permitted, because whoever has no privilege cannot drop them.
func namespaces() *syscall.SysProcAttr {
	uid, gid := os.Geteuid(), os.Getegid()
	return &syscall.SysProcAttr{
		Setpgid:     true,
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
		AmbientCaps: []uintptr{unix.CAP_NET_ADMIN}, // for loopback; the guard drops it before the server starts
	}
}

// refusal puts a failed start of an isolated guard in words that a researcher can bring to the administrator.
func refusal(err error) error {
	what := "start in namespaces of its own"
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: %w; the kernel, AppArmor or the container around us forbids user namespaces", what, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EUSERS):
		return fmt.Errorf("%s: %w; /proc/sys/user/max_*_namespaces is at its limit", what, err)
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS):
		return fmt.Errorf("%s: %w; this kernel has none", what, err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// unfit tells why a command cannot run in a user namespace: a setuid Apptainer has no privilege there and gives up.
func unfit(program string, args []string) error {
	real, err := filepath.EvalSymlinks(program)
	if err != nil {
		return nil // exec will say so better
	}
	named := func(path string) bool {
		name := filepath.Base(path)
		return name == "apptainer" || name == "singularity"
	}
	if !named(program) && !named(real) || slices.ContainsFunc(args, unprivileged) {
		return nil
	}
	for _, path := range append([]string{real}, starters(real)...) {
		if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSetuid != 0 {
			return fmt.Errorf("%s is setuid, and a setuid %s does not start in a user namespace; with its --userns it does",
				path, filepath.Base(program))
		}
	}
	return nil
}

// unprivileged knows the flag by which Apptainer leaves its setuid starter alone.
func unprivileged(arg string) bool { return arg == "-u" || arg == "--userns" }

// starters are the places where distributions put the setuid program that does Apptainer's work.
func starters(program string) []string {
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

// missingDevice tells why GPUs would not be found in a user namespace. CUDA makes a device file that is not there by
// nvidia-modprobe, which is setuid.
func missingDevice(dev string) error {
	if _, err := os.Stat(filepath.Join(dev, "nvidiactl")); err != nil {
		return nil // there is no NVIDIA driver, or it works without device files
	}
	uvm := filepath.Join(dev, "nvidia-uvm")
	if _, err := os.Stat(uvm); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not there yet, and CUDA cannot make it from a user namespace; `nvidia-modprobe -u -c 0` does", uvm)
	}
	return nil
}

// escape makes a path match only itself in filepath.Glob.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// isolate makes the command start an isolated guard, which finds its end of the hatch as its first extra file.
func isolate(cmd *exec.Cmd, hatchEnd *os.File) {
	cmd.SysProcAttr = namespaces()
	cmd.ExtraFiles = []*os.File{hatchEnd}
}
