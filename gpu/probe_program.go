package gpu

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// program is a file that can be executed until it is removed.
type program struct {
	path   string
	remove func()
}

// programs are the ways to have the probe as a file, to be tried until one can be executed.
func (p Probe) programs() ([]func() (program, error), error) {
	if p.Path != "" {
		given := program{path: p.Path, remove: func() {}}
		return []func() (program, error){func() (program, error) { return given, nil }}, nil
	}
	bin := embedded()
	if len(bin) == 0 {
		return nil, ErrNoProbe
	}
	return unpack(bin, []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/dev/shm"}), nil
}

// unpack makes files of bin: in memory, and, where the kernel forbids to execute that, in the first of the folders that
// is not mounted noexec.
func unpack(bin []byte, folders []string) []func() (program, error) {
	ways := []func() (program, error){func() (program, error) { return inMemory(bin) }}
	for _, folder := range folders {
		if folder != "" {
			ways = append(ways, func() (program, error) { return inFolder(bin, folder) })
		}
	}
	return ways
}

// inMemory leaves nothing behind, however we end.
func inMemory(bin []byte) (program, error) {
	// MFD_EXEC is needed where vm.memfd_noexec is 1, and unknown to kernels before 6.3.
	fd, err := unix.MemfdCreate("nvmlprobe", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("nvmlprobe", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return program{}, fmt.Errorf("create file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "nvmlprobe")
	if _, err := f.Write(bin); err != nil {
		f.Close()
		return program{}, fmt.Errorf("write file in memory: %w", err)
	}
	return program{path: fmt.Sprintf("/proc/self/fd/%d", fd), remove: func() { f.Close() }}, nil
}

// inFolder makes a folder of its own, which is open to us alone: nobody else can exchange the file.
func inFolder(bin []byte, folder string) (program, error) {
	dir, err := os.MkdirTemp(folder, "nvmlprobe-")
	if err != nil {
		return program{}, err
	}
	path := filepath.Join(dir, "nvmlprobe")
	// A file that anybody has open for writing cannot be executed, and a child that is forked meanwhile, for another
	// purpose, inherits it until it executes its own program (golang.org/issue/22315).
	syscall.ForkLock.RLock()
	err = os.WriteFile(path, bin, 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		os.RemoveAll(dir)
		return program{}, err
	}
	return program{path: path, remove: func() { os.RemoveAll(dir) }}, nil
}
