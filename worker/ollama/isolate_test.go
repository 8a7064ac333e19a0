package ollama

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/await"
	"fluxworker/test/build"
)

func TestIsolatedPortIsNobodyElses(t *testing.T) {
	eachIsolation(t, func(t *testing.T, i Isolation) {
		s, _ := startFake(t, i)
		c := waitListening(t, s, DeviceCPU)
		if _, err := c.WaitAnswering(t.Context()); err != nil {
			t.Fatal(err)
		}
		conn, err := net.DialTimeout("tcp", s.address, 5*time.Second)
		if err == nil {
			conn.Close()
		}
		if refused := errors.Is(err, syscall.ECONNREFUSED); refused != s.Isolated() {
			t.Errorf("from outside the port says %v; isolated: %t", err, s.Isolated())
		}
		if os.Getuid() != 0 {
			t.Log("not root: no other user's request was tried")
			return
		}
		other := startHelper(t, order{Connect: s.address}, asNobody())
		if refused := strings.Contains(other.Err, "refused"); refused != s.Isolated() {
			t.Errorf("to another user the port says %q; isolated: %t", other.Err, s.Isolated())
		}
	})
}

func TestAutoIsolatesWhereItCan(t *testing.T) {
	s, _ := startFake(t, IsolateAlways) // skips
	s.Stop()
	dir := t.TempDir()
	s, err := Start([]string{os.Args[0], fake}, Settings{Models: dir, Slots: 1, Context: 512, Device: DeviceCPU, LoadTimeout: time.Minute, Isolate: IsolateAuto},
		dir, filepath.Join(dir, "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	if !s.Isolated() || s.IsolationRefused() != nil {
		t.Errorf("isolated %t, because %v", s.Isolated(), s.IsolationRefused())
	}
	waitListening(t, s, DeviceCPU)
}

// An isolated guard ends by killing all that it sees. Started by hand, it must not come to that.
func TestIsolatedGuardByHand(t *testing.T) {
	scratch := filepath.Join(t.TempDir(), scratchPrefix+"x")
	output, err := exec.Command("/proc/self/exe", GuardCommand, isolatedFlag, scratch, "true").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(output), "internal to fluxworker") {
		t.Errorf("%v, %s", err, output)
	}
}

// needReport skips a test where the helper's Start has refused to isolate.
func needReport(t *testing.T, i Isolation, h *helper) {
	t.Helper()
	if h.Err != "" {
		needIsolation(t, i, errors.New(h.Err))
	}
}

func TestNothingOutlivesAKilledWorkerOrGuard(t *testing.T) {
	for _, u := range users() {
		t.Run(u.name, func(t *testing.T) {
			eachIsolation(t, func(t *testing.T, i Isolation) {
				for _, victim := range []string{"worker", "guard"} {
					t.Run(victim, func(t *testing.T) { testKilled(t, u, i, victim) })
				}
			})
		})
	}
}

func testKilled(t *testing.T, u user, i Isolation, victim string) {
	dir, program := openDir(t)
	command := []string{program, fake, "--max-life", "2m", "--child"}
	// A runner that left the guard's process group outlives a killed plain guard. Ollama's runners do not leave it.
	if victim == "worker" || i == IsolateAlways {
		command = append(command, "--child-setsid")
	}
	h := startHelper(t, order{Command: command, Isolate: i, Dir: dir, Listens: true}, u.attr)
	needReport(t, i, h)
	if h.Version == "" || h.Isolated != (i == IsolateAlways) {
		t.Fatalf("report %+v", h.report)
	}
	all := processesBelow(t, h.Guard, 3)
	pid := h.cmd.Process.Pid
	if victim == "guard" {
		pid = h.Guard
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantGoneSoon(t, all)
	h.end()
	if left, _ := filepath.Glob(filepath.Join(dir, scratchPrefix+"*")); len(left) > 0 {
		t.Errorf("scratch left behind: %v", left)
	}
}

// A server has no capability, not even in its namespaces, and what a supplementary group permits stays permitted.
func TestRightsOfAServer(t *testing.T) {
	for _, u := range users() {
		t.Run(u.name, func(t *testing.T) {
			dir, _ := openDir(t)
			file := filepath.Join(dir, "weights")
			if err := os.WriteFile(file, []byte("shared with a group\n"), 0o640); err != nil {
				t.Fatal(err)
			}
			if os.Getuid() == 0 {
				if err := os.Chown(file, 0, sharedGroup); err != nil {
					t.Fatal(err)
				}
			}
			// "serve" is one argument too many for it, and no file.
			h := startHelper(t, order{Command: []string{"cat", file, "/proc/self/status"}, Isolate: IsolateAlways, Dir: dir}, u.attr)
			needReport(t, IsolateAlways, h)
			data, err := os.ReadFile(filepath.Join(dir, "server.log"))
			if err != nil {
				t.Fatal(err)
			}
			log := string(data)
			if !strings.Contains(log, "shared with a group") {
				t.Errorf("the file of a supplementary group cannot be read:\n%s", log)
			}
			for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
				if !strings.Contains(log, set+":\t0000000000000000") {
					t.Errorf("%s is not empty:\n%s", set, log)
				}
			}
		})
	}
}

// Where user namespaces are used up, the kernel says ENOSPC. A namespace of our own lets us use them up.
func TestKernelRefuses(t *testing.T) {
	forbidden := &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	s, _ := startFake(t, IsolateAlways) // skips
	s.Stop()
	dir, program := openDir(t)
	o := order{Command: []string{program, fake, "--max-life", "2m"}, Isolate: IsolateAuto, Dir: dir, Listens: true, Forbid: true}
	h := startHelper(t, o, forbidden)
	if h.Err != "" || h.Isolated || h.Version == "" || !strings.Contains(h.Refused, "max_*_namespaces") {
		t.Errorf("auto: %+v; want an answer, and the kernel's reason", h.report)
	}
	h.end()
	o.Isolate = IsolateAlways
	if h = startHelper(t, o, forbidden); !strings.Contains(h.Err, "start server: isolate the server") || h.Guard != 0 {
		t.Errorf("always: %+v, want an error", h.report)
	}
}

// apptainer makes a command of that name that runs the stand-in, and a starter beside it.
func apptainer(t *testing.T, starter os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "bin", "apptainer")
	start := filepath.Join(dir, "libexec", "apptainer", "bin", "starter-suid")
	script := "#!/bin/sh\nexec '" + os.Args[0] + "' " + fake + ` --max-life 2m "$@"` + "\n"
	for path, mode := range map[string]os.FileMode{program: 0o755, start: starter} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return program
}

func TestSetuidApptainerIsNotIsolated(t *testing.T) {
	program := apptainer(t, 0o755|os.ModeSetuid)
	settings := Settings{Models: t.TempDir(), Slots: 1, Context: 512, Device: DeviceCPU, LoadTimeout: time.Minute, Isolate: IsolateAuto}
	s, err := Start([]string{program}, settings, t.TempDir(), filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	waitListening(t, s, DeviceCPU)
	if s.Isolated() || s.IsolationRefused() == nil || !strings.Contains(s.IsolationRefused().Error(), "starter-suid") {
		t.Errorf("isolated %t, because %v", s.Isolated(), s.IsolationRefused())
	}
	settings.Isolate = IsolateAlways
	var failed *ServerError
	if _, err := Start([]string{program}, settings, t.TempDir(), filepath.Join(t.TempDir(), "log")); !errors.As(err, &failed) {
		t.Errorf("always: %v, want a ServerError", err)
	}
}

func TestCheckSetuid(t *testing.T) {
	setuid, plain := apptainer(t, 0o755|os.ModeSetuid), apptainer(t, 0o755)
	link := filepath.Join(t.TempDir(), "singularity")
	if err := os.Symlink(setuid, link); err != nil {
		t.Fatal(err)
	}
	itself := filepath.Join(t.TempDir(), "singularity")
	if err := os.WriteFile(itself, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(itself, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name        string
		command     []string
		checkSetuid bool
	}{
		{"setuid starter", []string{setuid, "exec", "x.sif", "ollama"}, true},
		{"by a link of another name", []string{link, "exec"}, true},
		{"setuid itself", []string{itself, "exec"}, true},
		{"no setuid", []string{plain, "exec"}, false},
		{"--userns", []string{setuid, "exec", "--userns", "x.sif"}, false},
		{"-u", []string{setuid, "exec", "-u", "x.sif"}, false},
		{"another program", []string{os.Args[0]}, false},
		{"no program", []string{"/nonexistent/apptainer"}, false},
	} {
		if err := checkSetuid(tt.command[0], tt.command[1:]); (err != nil) != tt.checkSetuid {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// CheckIsolation predicts the result of a start.
func TestCheckIsolation(t *testing.T) {
	s, _ := startFake(t, IsolateAlways) // skips
	s.Stop()
	for _, tt := range []struct {
		command []string
		tried   bool
		why     string
	}{
		{[]string{os.Args[0], fake}, true, ""},
		{[]string{"no-such-ollama"}, false, ""},
		{[]string{"false"}, true, "exit status 1"},
		{[]string{apptainer(t, 0o755|os.ModeSetuid)}, true, "starter-suid"},
	} {
		tried, err := CheckIsolation(t.Context(), tt.command, DeviceCPU, await.Patience)
		if tried != tt.tried || (err == nil) != (tt.why == "") || err != nil && !strings.Contains(err.Error(), tt.why) {
			t.Errorf("%s: tried %t, %v; want %t, %q", tt.command, tried, err, tt.tried, tt.why)
		}
	}
}

// A server sees the processes of its own namespace in /proc, each with the one id that it has there. Where the kernel refuses a
// new /proc, as in most containers, the server starts with that of the outside, where each process has two ids.
func TestProcOfAServer(t *testing.T) {
	if os.Getuid() != 0 {
		build.Missing(t, "not root: no part of /proc can be hidden")
	}
	for _, tt := range []struct {
		hide bool
		ids  string
	}{{false, `NSpid:\t\d+\n`}, {true, `NSpid:\t\d+\t\d+\n`}} {
		dir, _ := openDir(t)
		h := startHelper(t, order{Command: []string{"cat", "/proc/self/status"}, Isolate: IsolateAlways, Dir: dir, HideProc: tt.hide},
			&syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS})
		needReport(t, IsolateAlways, h)
		log, err := os.ReadFile(filepath.Join(dir, "server.log"))
		if err != nil || !regexp.MustCompile(tt.ids).Match(log) {
			t.Errorf("a part hidden: %t: %v, %s; want %s", tt.hide, err, log, tt.ids)
		}
	}
}

func TestCheckDeviceFiles(t *testing.T) {
	dev := t.TempDir()
	for _, tt := range []struct {
		device  string // that appears
		missing bool
	}{{"", false}, {"nvidiactl", true}, {"nvidia-uvm", false}} {
		if tt.device != "" {
			if err := os.WriteFile(filepath.Join(dev, tt.device), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := checkDeviceFiles(dev); (err != nil) != tt.missing {
			t.Errorf("with %q: %v", tt.device, err)
		}
	}
}

func TestIsolationIsOneOfThree(t *testing.T) {
	var failed *ServerError
	_, err := Start([]string{os.Args[0]}, Settings{Isolate: "perhaps"}, t.TempDir(), filepath.Join(t.TempDir(), "log"))
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), `"perhaps"`) {
		t.Errorf("got %v, want a ServerError with the value", err)
	}
}
