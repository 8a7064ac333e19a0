package nfs

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/await"
	"fluxworker/test/build"
)

// share is an NFS server with one exported folder, and the nodes that mount the folder.
type share struct {
	t       *testing.T
	dir     string // of the server: configuration, log, state
	export  string // the exported folder, as the server's machine sees it
	network int    // the third byte of the share's addresses
	machine *machine
	server  *exec.Cmd
	ended   chan struct{} // closed when the server has ended
}

// machine is the state of the namespaces that all shares use.
type machine struct {
	packages string // where the programs of Debian's packages are
	modules  string // of the nodes' kernel
	networks atomic.Int64
	starting sync.Mutex // one server registers with the port mapper at a time: each first removes what another has registered
}

// theMachine prepares the namespaces of the tests once.
var theMachine = sync.OnceValues(func() (*machine, error) {
	repository, err := build.Folder()
	if err != nil {
		return nil, err
	}
	m := &machine{packages: filepath.Join(filepath.Dir(repository), "nfs")}
	if _, err := os.Stat(m.packages); err != nil {
		return nil, err
	}
	modules, _ := filepath.Glob(filepath.Join(m.packages, kernelPackages, "usr/lib/uml/modules/*"))
	if len(modules) != 1 {
		return nil, fmt.Errorf("folders of kernel modules: %v, want one", modules)
	}
	m.modules = modules[0]
	return m, m.prepare()
})

// prepare gives the namespaces a /proc, a /run and a user for the port mapper, and starts the port mapper, without which
// the server does not start.
func (m *machine) prepare() error {
	const user = "_rpc:x:65533:65534::/run/rpcbind:/usr/sbin/nologin\n"
	users, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	passwd := filepath.Join(os.Getenv(folderVariable), "passwd")
	if err := os.WriteFile(passwd, append(users, user...), 0o644); err != nil {
		return err
	}
	for _, mount := range []struct {
		source, target, kind string
		flags                uintptr
	}{{"proc", "/proc", "proc", 0}, {"tmpfs", "/run", "tmpfs", 0}, {passwd, "/etc/passwd", "", syscall.MS_BIND}} {
		if err := syscall.Mount(mount.source, mount.target, mount.kind, mount.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", mount.target, err)
		}
	}
	if err := ip("link set lo up"); err != nil {
		return err
	}
	for _, dir := range []string{"/run/rpcbind", filepath.Dir(kernelLoader)} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink(filepath.Join(m.packages, kernelPackages, libraryDir, "ld-linux-x86-64.so.2"), kernelLoader); err != nil {
		return err
	}
	if err := m.command("sbin/rpcbind", "-f").Start(); err != nil {
		return err
	}
	for { // the NFS server ends where the port mapper does not listen yet
		c, err := net.Dial("unix", "/run/rpcbind.sock")
		if err == nil {
			return c.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
}

const (
	libraryDir = "usr/lib/x86_64-linux-gnu"
	// kernelPackages is the folder of Debian sid's packages below that of the others.
	kernelPackages = "sid"
	// kernelLoader is the name of the loader in the program of the kernel (install.sh).
	kernelLoader = "/run/uml/ld-linux-x86-64.so"
)

// kernel returns the command that boots a node.
func (m *machine) kernel(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(m.packages, kernelPackages, "usr/bin/linux.uml"), args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(m.packages, kernelPackages, libraryDir))
	return cmd
}

// command returns a command for a program of Debian's packages.
func (m *machine) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(m.packages, program), args...)
	var libraries []string
	for _, dir := range []string{libraryDir, "lib/x86_64-linux-gnu", "usr/lib/ganesha"} {
		libraries = append(libraries, filepath.Join(m.packages, dir))
	}
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
	return cmd
}

// ip runs ip(8) with these words.
func ip(words string) error {
	out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", words, err, out)
	}
	return nil
}

// mustIP is ip, and fails the test on an error.
func mustIP(t *testing.T, words string) {
	t.Helper()
	if err := ip(words); err != nil {
		t.Fatal(err)
	}
}

// configuration of the server; %[1]s is its folder, %[2]s its address, %[3]s the folder of the packages.
const configuration = `
NFS_CORE_PARAM { Protocols = 3, 4; Bind_addr = %[2]s; NFS_Port = 2049; MNT_Port = 20048; Enable_NLM = false; Enable_RQUOTA = false;
	Plugins_Dir = %[3]s/usr/lib/x86_64-linux-gnu/ganesha; }
NFSv4 { UseGetpwnam = true; Only_Numeric_Owners = true; RecoveryRoot = %[1]s/recovery; Grace_Period = 10; Lease_Lifetime = 60; }
NFS_KRB5 { Active_krb5 = false; }
EXPORT { Export_Id = 1; Path = %[1]s/export; Pseudo = /export; Access_Type = RW; Squash = No_Root_Squash; SecType = sys;
	Protocols = 3, 4; Transports = TCP; FSAL { Name = VFS; } }
`

// newShare starts a server that ends with the test. Where it cannot run, the test is skipped and says why; with CI=true
// the test fails instead.
func newShare(t *testing.T) *share {
	t.Helper()
	if os.Getenv(folderVariable) == "" {
		build.Missing(t, "an NFS server and the nodes need root")
	}
	m, err := theMachine()
	if os.IsNotExist(err) {
		build.Missing(t, "no NFS server and no kernel for nodes: run \"make nfs\": %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &share{t: t, machine: m, network: int(m.networks.Add(1))}
	s.dir = filepath.Join(os.Getenv(folderVariable), fmt.Sprintf("share%d", s.network))
	s.export = filepath.Join(s.dir, "export")
	for _, dir := range []string{s.export, filepath.Join(s.dir, "recovery")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	conf := fmt.Sprintf(configuration, s.dir, s.address(), m.packages)
	if err := os.WriteFile(filepath.Join(s.dir, "ganesha.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	mustIP(t, "link add "+s.bridge()+" type bridge")
	mustIP(t, "addr add "+s.address()+"/24 dev "+s.bridge())
	mustIP(t, "link set "+s.bridge()+" gso_max_segs 1 up") // the nodes' network devices take no larger frames
	t.Cleanup(func() {
		if s.ended != nil {
			s.stopServer()
		}
		if t.Failed() {
			log, _ := os.ReadFile(s.logFile())
			t.Logf("the NFS server's log ends with:\n%s", log[max(0, len(log)-2000):])
		}
	})
	s.startServer(t)
	return s
}

// address returns the address of the NFS server.
func (s *share) address() string { return fmt.Sprintf("10.77.%d.1", s.network) }

// bridge returns the name of the device that connects the nodes and the server.
func (s *share) bridge() string { return fmt.Sprintf("br%d", s.network) }

func (s *share) logFile() string { return filepath.Join(s.dir, "ganesha.log") }

// startServer starts the NFS server and waits until it serves.
func (s *share) startServer(t *testing.T) {
	t.Helper()
	s.machine.starting.Lock()
	defer s.machine.starting.Unlock()
	os.Remove(s.logFile())
	s.server = s.machine.command("usr/bin/ganesha.nfsd", "-F", "-L", s.logFile(),
		"-f", filepath.Join(s.dir, "ganesha.conf"), "-p", filepath.Join(s.dir, "ganesha.pid"))
	if err := s.server.Start(); err != nil {
		t.Fatal(err)
	}
	s.ended = make(chan struct{})
	go func(server *exec.Cmd, ended chan struct{}) {
		server.Wait()
		close(ended)
	}(s.server, s.ended)
	await.Until(t, "the NFS server", func() bool {
		select {
		case <-s.ended:
			t.Fatalf("the NFS server ended: %v", s.server.ProcessState)
		default:
		}
		log, _ := os.ReadFile(s.logFile())
		return strings.Contains(string(log), "NFS SERVER INITIALIZED")
	})
}

// stopServer kills the NFS server and waits for its end.
func (s *share) stopServer() {
	s.server.Process.Kill()
	<-s.ended
}

// signalServer sends a signal to the NFS server.
func (s *share) signalServer(t *testing.T, number syscall.Signal) {
	t.Helper()
	if err := s.server.Process.Signal(number); err != nil {
		t.Fatal(err)
	}
}
