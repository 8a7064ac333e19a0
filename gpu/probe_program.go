package gpu

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// program is an executable file that exists until remove is called.
type program struct {
	path   string
	remove func()
}

// programs returns the ways to get the probe as an executable file, in the order in which to try them.
func (p Probe) programs() ([]func() (program, error), error) {
	if p.Path != "" {
		given := program{path: p.Path, remove: func() {}}
		return []func() (program, error){func() (program, error) { return given, nil }}, nil
	}
	bin, err := embedded()
	if err != nil {
		return nil, err
	}
	return unpack(bin, []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/dev/shm"}), nil
}

// unpack returns ways to make an executable file of bin: in memory, or, if the kernel forbids that, in a folder that is
// not mounted noexec.
func unpack(bin []byte, folders []string) []func() (program, error) {
	ways := []func() (program, error){func() (program, error) { return inMemory(bin) }}
	for _, folder := range folders {
		if folder != "" {
			ways = append(ways, func() (program, error) { return inFolder(bin, folder) })
		}
	}
	return ways
}

// inMemory makes the file in memory. Nothing remains after any kind of exit.
func inMemory(bin []byte) (program, error) {
	// vm.memfd_noexec=1 requires MFD_EXEC, and kernels before 6.3 do not know it.
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

// inFolder makes the file in a new folder with access for this user only, so no other user can replace the file.
func inFolder(bin []byte, folder string) (program, error) {
	dir, err := os.MkdirTemp(folder, "nvmlprobe-")
	if err != nil {
		return program{}, err
	}
	path := filepath.Join(dir, "nvmlprobe")
	// A file that a process has open for writing cannot be executed. A child that is forked meanwhile for another
	// purpose inherits the open file until its own exec (golang.org/issue/22315).
	syscall.ForkLock.RLock()
	err = os.WriteFile(path, bin, 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		os.RemoveAll(dir)
		return program{}, err
	}
	return program{path: path, remove: func() { os.RemoveAll(dir) }}, nil
}
