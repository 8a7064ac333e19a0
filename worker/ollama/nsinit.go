package ollama

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolatedFlag is the first argument of a guard that runs in its own namespaces.
const isolatedFlag = "--isolated"

// brokerFD is the isolated guard's end of the socket broker: the first descriptor after standard error.
const brokerFD = 3

// initNamespaces prepares the new namespaces for a server and reports success or the error to the worker. The caller
// must have locked its thread and must start the server from that thread: capabilities belong to a thread, and the
// guard's other threads keep theirs.
func initNamespaces() (*net.UnixConn, error) {
	if os.Getpid() != 1 {
		return nil, errors.New("this command is internal to fluxworker; its process is not the first of a PID namespace")
	}
	broker, err := inheritedBroker()
	if err != nil {
		return nil, fmt.Errorf("open the socket broker: %w", err)
	}
	mountProc()
	err = raiseLoopback()
	if err == nil {
		err = dropCapabilities()
	}
	if err != nil {
		broker.Write(append([]byte{sayRefused}, err.Error()...))
		return nil, err
	}
	if _, err := broker.Write([]byte{sayReady}); err != nil {
		return nil, fmt.Errorf("report ready to the worker: %w", err)
	}
	return broker, nil
}

// inheritedBroker opens the guard's end of the broker with close-on-exec, so that the server does not inherit it.
func inheritedBroker() (*net.UnixConn, error) {
	file := os.NewFile(brokerFD, "socketbroker")
	defer file.Close()
	conn, err := net.FileConn(file) // duplicates the descriptor, with close-on-exec
	if err != nil {
		return nil, err
	}
	broker, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("it is not a unix socket")
	}
	return broker, nil
}

// raiseLoopback brings up loopback, the only interface of a new network namespace.
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
		return fmt.Errorf("bring loopback up: %w; AppArmor may restrict user namespaces: they exist then, but without privileges", err)
	}
	return nil
}

// mountProc gives the calling thread and its children a /proc of the new PID namespace. The /proc from outside has other
// process ids, so a program that looks for its own children there, such as an Apptainer without setuid, finds other
// processes. The kernel keeps the mount inside: the mounts of a namespace of another user namespace never propagate back.
// The kernel refuses a new /proc where parts of the old /proc are hidden, as in most containers. Ollama itself does not
// need a new /proc, so the server then starts without.
func mountProc() {
	if unix.Unshare(unix.CLONE_NEWNS) == nil {
		unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	}
}

// dropCapabilities removes all capabilities of the calling thread and its children. The capabilities hold in the
// namespaces only, but a server needs none.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("drop ambient capabilities: %w", err)
	}
	if os.Geteuid() == 0 { // programs of root regain all that the bounding set allows
		for c := uintptr(0); ; c++ {
			err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
			if errors.Is(err, syscall.EINVAL) {
				break // past the last capability of this kernel
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
