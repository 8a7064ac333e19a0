package ollama

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolatedFlag is the first argument of a guard that was started in namespaces of its own.
const isolatedFlag = "--isolated"

// hatchFD is the isolated guard's end of the hatch: the first after standard error.
const hatchFD = 3

// settleIn makes the new namespaces fit for a server and tells the worker so, or why not. The caller's thread must be
// locked, and be the one that starts the server: capabilities belong to threads, and the others of the guard keep theirs.
func settleIn() (*net.UnixConn, error) {
	if os.Getpid() != 1 {
		return nil, errors.New("this command is fluxworker's own; its process is not the first of a namespace")
	}
	hatch, err := inheritedHatch()
	if err != nil {
		return nil, fmt.Errorf("open the hatch: %w", err)
	}
	err = raiseLoopback()
	if err == nil {
		err = dropCapabilities()
	}
	if err != nil {
		hatch.Write(append([]byte{sayRefused}, err.Error()...))
		return nil, err
	}
	if _, err := hatch.Write([]byte{sayReady}); err != nil {
		return nil, fmt.Errorf("tell the worker: %w", err)
	}
	return hatch, nil
}

// inheritedHatch takes the guard's end over, so that the server does not inherit it, too.
func inheritedHatch() (*net.UnixConn, error) {
	file := os.NewFile(hatchFD, "hatch")
	defer file.Close()
	conn, err := net.FileConn(file) // a copy that is closed on exec
	if err != nil {
		return nil, err
	}
	hatch, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("it is no unix socket")
	}
	return hatch, nil
}

// raiseLoopback brings up the only interface that a new network namespace has.
func raiseLoopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bring loopback up: %w; where AppArmor restricts user namespaces they are there, but useless", err)
	}
	return nil
}

// dropCapabilities leaves the calling thread, and what it starts, without any. They would hold in the namespaces only,
// but a server needs none.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("drop ambient capabilities: %w", err)
	}
	if os.Geteuid() == 0 { // root's programs get back whatever the bounding set allows
		for c := uintptr(0); ; c++ {
			err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
			if errors.Is(err, syscall.EINVAL) {
				break // past the last that this kernel knows
			}
			if err != nil {
				return fmt.Errorf("drop capability %d: %w", c, err)
			}
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}
