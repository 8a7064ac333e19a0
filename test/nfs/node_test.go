package nfs

import (
	"fmt"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/await"
	"fluxworker/test/nfs/node"
)

// mountPoint is where a node has the share.
const mountPoint = "/nfs/share"

// testNode is a running node.
type testNode struct {
	name    string
	device  string // leads to the NFS server, on the side of the server
	address string // on the network of the NFS server
	control string // the address of the node's service, on a network of its own that a test never cuts
	group   int    // the process group of the node's kernel
	ended   chan struct{}
	service *rpc.Client
}

// boot starts two nodes that mount the share with this version of NFS.
func (s *share) boot(version string) (first, second *testNode) {
	s.t.Helper()
	first, second = s.newNode(1), s.newNode(2)
	for _, n := range []*testNode{first, second} {
		n.connect(s.t)
		n.call(s.t, "Mount", s.mountOf(version, n.address), &struct{}{})
	}
	return first, second
}

// mountOf returns the mount of the share on a node with this address.
func (s *share) mountOf(version, address string) node.Mount {
	if version == "3" {
		options := "vers=3,nolock,proto=tcp,mountproto=tcp,mountport=20048,mountaddr=" + s.address() + ",addr=" + s.address()
		return node.Mount{Source: s.address() + ":" + s.export, Target: mountPoint, Type: "nfs", Options: options}
	}
	options := "vers=" + version + ",clientaddr=" + address + ",addr=" + s.address()
	return node.Mount{Source: s.address() + ":/export", Target: mountPoint, Type: "nfs4", Options: options}
}

// newNode starts the kernel of a node.
func (s *share) newNode(number int) *testNode {
	s.t.Helper()
	id := fmt.Sprintf("%d-%d", s.network, number)
	subnet := fmt.Sprintf("10.78.%d", s.network*10+number)
	n := &testNode{
		name: fmt.Sprintf("node%d", number), device: "nfs" + id,
		address: fmt.Sprintf("10.77.%d.%d", s.network, 10+number), control: subnet + ".2", ended: make(chan struct{}),
	}
	mustIP(s.t, "tuntap add mode tap name "+n.device)
	mustIP(s.t, "link set "+n.device+" master "+s.bridge()+" up")
	mustIP(s.t, "tuntap add mode tap name ctl"+id)
	mustIP(s.t, "addr add "+subnet+".1/24 dev ctl"+id)
	mustIP(s.t, "link set ctl"+id+" gso_max_segs 1 up")

	console, err := os.Create(filepath.Join(s.dir, n.name+".console"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer console.Close()
	cmd := s.machine.kernel("mem=256M", "root=/dev/root", "rootfstype=hostfs",
		"rootflags="+rootOf(os.Getenv(folderVariable)), "rw", "init=/node", "loglevel=5", "con=null", "con0=null,fd:1",
		"uml_dir="+s.dir, "umid="+n.name, "vec0:transport=tap,ifname="+n.device, "vec1:transport=tap,ifname=ctl"+id,
		node.NameVariable+"="+n.name, node.ModulesVariable+"="+s.machine.modules,
		node.AddressVariable+"=vec0:"+n.address+",vec1:"+n.control)
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	n.group = cmd.Process.Pid
	go func() {
		cmd.Wait()
		close(n.ended)
	}()
	s.t.Cleanup(func() {
		n.powerOff()
		if s.t.Failed() {
			text, _ := os.ReadFile(console.Name())
			s.t.Logf("console of %s:\n%s", n.name, text)
		}
	})
	return n
}

// connect waits for the node's service.
func (n *testNode) connect(t *testing.T) {
	t.Helper()
	await.Until(t, "the service of "+n.name, func() bool {
		select {
		case <-n.ended:
			t.Fatalf("%s ended", n.name)
		default:
		}
		c, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", n.control, node.Port), time.Second)
		if err == nil {
			n.service = rpc.NewClient(c)
		}
		return err == nil
	})
}

// call calls a method of the node's service.
func (n *testNode) call(t *testing.T, method string, argument, reply any) {
	t.Helper()
	if err := n.service.Call("Node."+method, argument, reply); err != nil {
		t.Fatalf("%s: %s: %v", n.name, method, err)
	}
}

// write writes a file of the node.
func (n *testNode) write(t *testing.T, path, text string) {
	t.Helper()
	n.call(t, "Write", node.File{Path: path, Data: []byte(text)}, &struct{}{})
}

// powerOff ends the node as a power failure does.
func (n *testNode) powerOff() {
	syscall.Kill(-n.group, syscall.SIGKILL)
	<-n.ended
}

// cut takes the node off the NFS server's network; join brings the node back.
func (n *testNode) cut(t *testing.T) { mustIP(t, "link set "+n.device+" nomaster") }
func (n *testNode) join(t *testing.T, s *share) {
	mustIP(t, "link set "+n.device+" master "+s.bridge())
}

// worker is a run of fluxworker on a node.
type worker struct {
	t    *testing.T
	node *testNode
	pid  int
	pass string // of its stand-in server
}

// run starts fluxworker in a folder of the share. Its stand-in server answers this many requests and holds the others
// until release.
func (n *testNode) run(t *testing.T, folder string, answers int, more ...string) *worker {
	t.Helper()
	w := &worker{t: t, node: n, pass: "/tmp/" + folder + "/pass"}
	n.write(t, w.pass, fmt.Sprint(answers))
	c := node.Command{
		Args: append([]string{"/fluxworker", "run", "--model", "bigram", "--input", "prompts.jsonl", "--output", "results.jsonl",
			"--device", "cpu", "--context", "512", "--batch-size", "8", "--ollama", "/fakeollama --pass " + w.pass,
			"--ollama-models", "/tmp", "--lock-stale", stale.String()}, more...),
		Env: []string{"PATH=/", "HOME=/tmp", "TMPDIR=/tmp"},
		Dir: mountPoint + "/" + folder,
	}
	n.call(t, "Start", c, &w.pid)
	return w
}

// release lets the stand-in server answer all requests.
func (w *worker) release() {
	w.t.Helper()
	w.node.call(w.t, "Remove", w.pass, &struct{}{})
}

func (w *worker) signal(number syscall.Signal) {
	w.t.Helper()
	w.node.call(w.t, "Signal", node.Signal{PID: w.pid, Number: number}, &struct{}{})
}

// wait waits for the end of the worker and checks its exit code and that it printed the text.
func (w *worker) wait(code int, text string) {
	w.t.Helper()
	if exit := w.exit(); exit.Code != code || !strings.Contains(exit.Output, text) {
		w.t.Fatalf("%s: exit code %d, want %d and %q:\n%s", w.node.name, exit.Code, code, text, exit.Output)
	}
}

// exit waits for the end of the worker.
func (w *worker) exit() (exit node.Exit) {
	w.t.Helper()
	select {
	case call := <-w.node.service.Go("Node.Wait", w.pid, &exit, nil).Done:
		if call.Error != nil {
			w.t.Fatal(call.Error)
		}
	case <-time.After(await.Patience):
		w.t.Fatalf("%s: the worker does not end:\n%s", w.node.name, w.output())
	}
	return exit
}

// output returns what the worker has printed.
func (w *worker) output() (text string) {
	w.t.Helper()
	w.node.call(w.t, "Output", w.pid, &text)
	return text
}
