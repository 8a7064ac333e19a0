package ollama

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/await"
)

// helperCommand makes the test binary a separate worker, which can be killed or run as another user.
const helperCommand = "helper"

// nobody is a user without privileges.
const nobody = 65534

// order is what a helper is to do.
type order struct {
	Connect string // connect to this address from outside, and nothing else

	Command  []string
	Isolate  Isolation
	Dir      string
	Listens  bool // wait for the server and ask it something
	Forbid   bool // forbid user namespaces first; wants to be root of one
	HideProc bool // hide a part of /proc first; wants a mount namespace of its own
}

// report is what it says.
type report struct {
	Err      string // of what was ordered
	Guard    int
	Isolated bool
	Refused  string
	Version  string
}

// helperMain is the helper's process. It keeps its server until standard input ends.
func helperMain(arg string) int {
	var o order
	if err := json.Unmarshal([]byte(arg), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	r, server := o.run()
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return 1
	}
	io.Copy(io.Discard, os.Stdin)
	if server != nil {
		server.Stop()
	}
	return 0
}

func (o order) run() (r report, server *Server) {
	fail := func(err error) (report, *Server) {
		if err != nil {
			r.Err = err.Error()
		}
		return r, server
	}
	if o.Connect != "" {
		conn, err := net.DialTimeout("tcp", o.Connect, 5*time.Second)
		if err == nil {
			conn.Close()
		}
		return fail(err)
	}
	if o.Forbid {
		if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
			return fail(err)
		}
	}
	if o.HideProc {
		if err := syscall.Mount("tmpfs", "/proc/tty", "tmpfs", 0, ""); err != nil {
			return fail(err)
		}
	}
	server, err := Start(o.Command, Settings{Models: o.Dir, Slots: 3, Context: 512, Device: DeviceCPU, LoadTimeout: await.Patience, Isolate: o.Isolate},
		o.Dir, filepath.Join(o.Dir, "server.log"))
	if err != nil {
		return fail(err)
	}
	r.Guard, r.Isolated = server.cmd.Process.Pid, server.Isolated()
	if err := server.IsolationRefused(); err != nil {
		r.Refused = err.Error()
	}
	if !o.Listens {
		<-server.Done()
		return fail(nil)
	}
	ctx, cancel := context.WithTimeout(context.Background(), await.Patience)
	defer cancel()
	if err := server.WaitListening(ctx, DeviceCPU); err != nil {
		return fail(err)
	}
	client := NewClientVia(server.address, server.Dial, 1, Runner{Context: 512})
	defer client.Close()
	r.Version, err = client.WaitAnswering(ctx)
	return fail(err)
}

// helper is a helper that has reported.
type helper struct {
	cmd   *exec.Cmd
	stdin io.Closer
	report
}

// startHelper runs a helper and waits for its report. It ends with the test if it has not before.
func startHelper(t *testing.T, o order, attr *syscall.SysProcAttr) *helper {
	t.Helper()
	arg, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	h := &helper{cmd: exec.Command("/proc/self/exe", helperCommand, string(arg))}
	h.cmd.SysProcAttr, h.cmd.Stderr = attr, os.Stderr
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.end)
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &h.report)
	}
	if err != nil {
		t.Fatalf("the helper says %q, %v", line, err)
	}
	return h
}

// end lets the helper stop its server, and waits.
func (h *helper) end() {
	h.stdin.Close()
	h.cmd.Wait()
}

// user is whom a test runs as.
type user struct {
	name string
	attr *syscall.SysProcAttr
}

// users returns this user and, if possible, a user without privileges who has a supplementary group.
func users() []user {
	list := []user{{fmt.Sprintf("uid %d", os.Getuid()), nil}}
	if os.Getuid() == 0 {
		list = append(list, user{"nobody", asNobody()})
	}
	return list
}

// sharedGroup is the supplementary group of the user nobody.
const sharedGroup = 4711

func asNobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{sharedGroup}}}
}

// openDir is a folder that every user may enter and write to, with a copy of this program that every user may run.
func openDir(t *testing.T) (dir, program string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ollama-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "program")
	if err := os.WriteFile(program, data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(program, 0o755); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return dir, program
}
