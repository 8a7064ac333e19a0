package nfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"fluxworker/test/build"
)

// folderVariable names the folder of the tests for the test program that runs in namespaces of its own. Without the
// variable the tests skip.
const folderVariable = "FLUXWORKER_TEST_NFS"

// TestMain runs the tests in namespaces of their own: the machine's network and mounts stay as they are, and the kernel
// ends every process of the tests with the first one.
func TestMain(m *testing.M) {
	if os.Getenv(folderVariable) != "" || os.Getuid() != 0 {
		os.Exit(m.Run())
	}
	code, err := runInside()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests on NFS:", err)
		code = 1
	}
	os.Exit(code)
}

func runInside() (code int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "fluxworker-nfs-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := makeRoot(rootOf(dir)); err != nil {
		return 0, err
	}
	inside := exec.Command(self, os.Args[1:]...)
	inside.Env = append(os.Environ(), folderVariable+"="+dir)
	inside.Stdin, inside.Stdout, inside.Stderr = os.Stdin, os.Stdout, os.Stderr
	inside.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS, // Go makes the mounts private then
		Pdeathsig:    syscall.SIGKILL,
	}
	err = inside.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return 1, nil
	}
	return 0, err
}

func rootOf(dir string) string { return filepath.Join(dir, "root") }

// makeRoot makes the root folder of the nodes. The programs are built here, because the tests' own namespace has no way
// to a module proxy.
func makeRoot(root string) error {
	for _, dir := range []string{"proc", "sys", "dev", "tmp", "nfs", "modules"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	for name, pkg := range map[string]string{
		"node": "fluxworker/test/nfs/node/cmd/node", "fakeollama": "fluxworker/test/fakeollama/cmd/fakeollama", "fluxworker": "fluxworker/cmd/fluxworker",
	} {
		path, err := build.Static("nfs-"+name, pkg)
		if err != nil {
			return err
		}
		if err := copyFile(path, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
