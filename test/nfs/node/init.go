package node

import (
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The kernel passes these words of its command line to the first process as environment variables.
const (
	NameVariable    = "NODE_NAME"
	ModulesVariable = "NODE_MODULES" // folder of the kernel modules on the machine below
	AddressVariable = "NODE_ADDRESS" // DEVICE:ADDRESS, several with commas between
)

// serveArgument makes the program the service; without the argument it is the first process.
const serveArgument = "serve"

// Main is the program of a node. The first process starts the service as a child and waits for orphans, because a
// process that collects every dead child cannot wait for the child that it started.
func Main() error {
	if len(os.Args) > 1 && os.Args[1] == serveArgument {
		return serve()
	}
	if err := setUp(); err != nil {
		return err
	}
	service := exec.Command("/proc/self/exe", serveArgument)
	service.Stdout, service.Stderr = os.Stdout, os.Stderr
	if err := service.Start(); err != nil {
		return err
	}
	for {
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case pid == service.Process.Pid:
			return errors.New("the node's service has ended")
		}
	}
}

func serve() error {
	if err := rpc.Register(&Node{programs: map[int]*program{}}); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", Port))
	if err != nil {
		return err
	}
	rpc.Accept(listener)
	return nil
}

// setUp makes an empty kernel a node: file systems, name, network, NFS client.
func setUp() error {
	for _, m := range []Mount{
		{"proc", "/proc", "proc", ""}, {"sysfs", "/sys", "sysfs", ""},
		{"tmpfs", "/tmp", "tmpfs", ""}, {"tmpfs", "/nfs", "tmpfs", ""},
		{"none", "/modules", "hostfs", os.Getenv(ModulesVariable)},
	} {
		if err := mount(m.Source, m.Target, m.Type, m.Options); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte(os.Getenv(NameVariable))); err != nil {
		return err
	}
	if err := configure("lo", "127.0.0.1"); err != nil {
		return err
	}
	for device := range strings.SplitSeq(os.Getenv(AddressVariable), ",") {
		name, address, _ := strings.Cut(device, ":")
		if err := configure(name, address); err != nil {
			return err
		}
	}
	for _, m := range []string{"nfsv3", "nfsv4"} {
		if err := loadModule(m); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, target, kind, options string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, kind, 0, options); err != nil {
		return fmt.Errorf("mount %s on %s (%s, %s): %w", source, target, kind, options, err)
	}
	return nil
}

// configure gives an address of a network of 256 addresses to a network device and starts the device.
func configure(device, address string) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	for _, set := range []struct {
		request uint
		address string
	}{{unix.SIOCSIFADDR, address}, {unix.SIOCSIFNETMASK, "255.255.255.0"}} {
		r, err := unix.NewIfreq(device)
		if err != nil {
			return err
		}
		if err := r.SetInet4Addr(net.ParseIP(set.address).To4()); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(s, set.request, r); err != nil {
			return fmt.Errorf("set %s of %s: %w", set.address, device, err)
		}
	}
	r, err := unix.NewIfreq(device)
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r); err != nil {
		return fmt.Errorf("start %s: %w", device, err)
	}
	return nil
}

// loadModule loads a kernel module after the modules that it needs. modules.dep lists these modules with the most basic
// one last.
func loadModule(name string) error {
	const dir = "/modules"
	dependencies, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(dependencies)) {
		module, needs, _ := strings.Cut(strings.TrimSpace(line), ":")
		if filepath.Base(module) != name+".ko" {
			continue
		}
		files := append([]string{module}, strings.Fields(needs)...)
		for i := len(files) - 1; i >= 0; i-- {
			if err := insert(filepath.Join(dir, files[i])); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("no kernel module %s", name)
}

// parameters are the parameters of kernel modules. NFS-Ganesha 4.3 does not know delegations of folders, and answers a request
// for one with an error that a client passes on as "remote I/O error".
var parameters = map[string]string{"nfsv4.ko": "directory_delegations=0"}

func insert(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), parameters[filepath.Base(file)], 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load %s: %w", file, err)
	}
	return nil
}
