package fakeollama

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStartFaults(t *testing.T) {
	t.Run("exit", func(t *testing.T) {
		s := start(t, false, nil, "--start-fault", "exit")
		<-s.done
		if code, lines := s.stop(), strings.Count(s.output.String(), "\n"); code != 1 || lines != 2 {
			t.Errorf("exit code %d after %d lines", code, lines)
		}
	})
	t.Run("silent", func(t *testing.T) {
		s := start(t, false, nil, "--start-fault", "silent", "--max-life", "50ms")
		<-s.done
		if code := s.stop(); code != 1 || strings.Contains(s.output.String(), "Listening") {
			t.Errorf("exit code %d, output %s", code, s.output)
		}
	})
	t.Run("deaf", func(t *testing.T) {
		s := start(t, true, nil, "--start-fault", "deaf")
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("GET /api/version HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || !os.IsTimeout(err) {
			t.Errorf("read %d bytes, %v", n, err)
		}
		if code := s.stop(); code != 0 || strings.Contains(s.output.String(), "compute") {
			t.Errorf("exit code %d, output %s", code, s.output)
		}
	})
	t.Run("no-first-answer", func(t *testing.T) {
		s := start(t, true, nil, "--start-fault", "no-first-answer")
		if _, err := s.api(t).Version(t.Context()); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, _, err := s.post(ctx, "/api/chat", chatBody("1", `"num_predict":1`))
			failed <- err
		}()
		s.recorded(t, "that the proof hangs", func(r Record) bool { return r.Proofs == 1 && r.PeakWorking == 1 })
		cancel()
		if err := <-failed; err == nil {
			t.Error("an answer came")
		}
	})
}

// program makes a command of the test binary under the program's name, as testscript does.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Args[0] = "fakeollama"
	cmd.Env = append(os.Environ(), "OLLAMA_HOST=127.0.0.1:0")
	return cmd
}

// TERM ends the program with 0; the child that it left behind lives on until it is killed.
func TestChild(t *testing.T) {
	for _, setsid := range []bool{false, true} {
		t.Run("setsid "+strconv.FormatBool(setsid), func(t *testing.T) {
			pidFile, record := filepath.Join(t.TempDir(), "pid"), filepath.Join(t.TempDir(), "record")
			cmd := program(t, "--record", record, "--max-life", "1m", "--child", "--child-setsid="+strconv.FormatBool(setsid), "--child-pid", pidFile, "serve")
			// The child keeps what it inherits open: with a pipe of ours, Wait would wait for it.
			log, err := os.Create(filepath.Join(t.TempDir(), "log"))
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			cmd.Stderr = log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			s := &instance{record: record}
			awaitFile(t, log.Name(), "inference compute")
			text, err := os.ReadFile(pidFile)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			defer syscall.Kill(pid, syscall.SIGKILL)
			if sid := session(t, pid); (sid == pid) != setsid {
				t.Errorf("the child %d is in session %d", pid, sid)
			}
			syscall.Kill(pid, syscall.SIGTERM)
			cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil {
				t.Errorf("the program ended with %v", err)
			}
			s.recorded(t, "how it ended", func(r Record) bool { return r.Ended == "signal" && r.PID == cmd.Process.Pid })
			if err := syscall.Kill(pid, 0); err != nil {
				t.Errorf("the child: %v", err)
			}
		})
	}
}

// session reads a process's session from /proc: "pid (name) state ppid pgrp session …".
func session(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	sid, err := strconv.Atoi(fields[3])
	if err != nil {
		t.Fatal(err)
	}
	return sid
}

// A killed program leaves a record that was whole at some time.
func TestKilled(t *testing.T) {
	s := &instance{record: filepath.Join(t.TempDir(), "record"), output: newOutput(), client: newClient(t)}
	cmd := program(t, "--record", s.record, "serve")
	cmd.Stderr = s.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + s.output.await(t, `Listening on (\S+) `)[1]
	const n = 3
	for range n {
		if status, _, err := s.post(t.Context(), "/api/chat", chatBody("a", "")); err != nil || status != 200 {
			t.Errorf("got %d, %v", status, err)
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	if got, err := ReadRecord(s.record); err != nil || got.Requests != n || got.Ended != "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestUsage(t *testing.T) {
	cmd := program(t, "--fault", "nonsense", "serve")
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(string(out), `there is no fault "nonsense"`) {
		t.Errorf("exit code %d, output %s", code, out)
	}
}
