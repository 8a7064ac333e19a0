package ollama

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fluxworker/test/await"
)

// openPair returns a broker whose guard has reported ready. With passing the guard also passes sockets. Closing guard ends it.
func openPair(t *testing.T, passing bool) (h *socketBroker, guard *net.UnixConn) {
	t.Helper()
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	c, err := net.FileConn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	guard = c.(*net.UnixConn)
	if _, err := guard.Write([]byte{sayReady}); err != nil {
		t.Fatal(err)
	}
	if h, err = openBroker(ours); err != nil {
		t.Fatal(err)
	}
	var passer sync.WaitGroup
	if passing {
		passer.Go(func() { passSockets(guard) })
	}
	t.Cleanup(func() {
		h.close()
		guard.Close()
		passer.Wait()
	})
	return h, guard
}

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

// deaf is the address of a server that accepts nothing and whose backlog is full.
func deaf(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*unix.SockaddrInet4).Port}).String()
	for {
		conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
}

func TestBrokerPassesManySocketsAtOnce(t *testing.T) {
	h, _ := openPair(t, true)
	address, stuck := echo(t), deaf(t)
	ctx, cancel := context.WithCancel(t.Context())
	var hanging, dialing sync.WaitGroup
	hanging.Go(func() {
		if _, err := h.dial(ctx, stuck); !errors.Is(err, context.Canceled) {
			t.Errorf("a dial that hangs: %v, want the context's end", err)
		}
	})
	for range 200 {
		dialing.Go(func() {
			conn, err := h.dial(t.Context(), address)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			said := make([]byte, 5)
			if _, err := conn.Write([]byte("hello")); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadFull(conn, said); err != nil || string(said) != "hello" {
				t.Errorf("echo %q, %v", said, err)
			}
			if conn.RemoteAddr().String() != address {
				t.Errorf("connected to %v", conn.RemoteAddr())
			}
		})
	}
	dialing.Wait()
	cancel()
	hanging.Wait()
	if len(h.waiting) != 0 {
		t.Errorf("%d requests are still waited for", len(h.waiting))
	}
}

func TestBrokerReportsErrors(t *testing.T) {
	h, _ := openPair(t, true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	var told *brokerError
	if _, err := h.dial(t.Context(), l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &told) {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := h.dial(t.Context(), "no address"); err == nil || errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("no address: %v", err)
	}
	if _, err := h.dial(t.Context(), string(make([]byte, maxPacket))); err == nil {
		t.Error("an address that is too long was dialled")
	}
}

// A guard that was stopped reads nothing; once the socket's buffer is full, not even the requests get through.
func TestBrokerWithAStoppedGuard(t *testing.T) {
	h, guard := openPair(t, false)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var dialing sync.WaitGroup
	for range 2000 {
		dialing.Go(func() {
			if _, err := h.dial(ctx, "127.0.0.1:1"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the context's end", err)
			}
		})
	}
	dialing.Wait()

	// And when it ends at last, everybody learns it.
	dialing.Go(func() {
		if _, err := h.dial(t.Context(), "127.0.0.1:1"); !errors.Is(err, errBrokerLost) {
			t.Errorf("got %v, want that the guard is gone", err)
		}
	})
	time.Sleep(10 * time.Millisecond)
	guard.Close()
	dialing.Wait()
	if _, err := h.dial(t.Context(), "127.0.0.1:1"); !errors.Is(err, errBrokerLost) {
		t.Errorf("later: %v, want that the guard is gone", err)
	}
}

// A socket that arrives after the caller gave up must be closed.
func TestBrokerClosesAbandonedSockets(t *testing.T) {
	h, guard := openPair(t, false)
	address := echo(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := h.dial(ctx, address); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	before := openFiles(t)
	passSocketOf(t, guard)
	conn, err := dialThrough(t, h, guard, address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	// The echo server's ends go a moment later.
	await.Until(t, fmt.Sprintf("%d open files", before), func() bool { return openFiles(t) <= before })
}

// What the guard cannot do in its namespaces, and a guard that dies in them, end in an error that Start can tell.
func TestBrokerOfAGuardThatReportsAnError(t *testing.T) {
	for _, tt := range []struct{ packet, want string }{
		{string(sayRefused) + "bring loopback up: no", "bring loopback up: no"},
		{"", errGuardSilent.Error()},
	} {
		ours, theirs, err := socketPair()
		if err != nil {
			t.Fatal(err)
		}
		if tt.packet != "" {
			if _, err := theirs.WriteString(tt.packet); err != nil {
				t.Fatal(err)
			}
		}
		theirs.Close()
		if _, err := openBroker(ours); err == nil || err.Error() != tt.want {
			t.Errorf("packet %q: %v, want %q", tt.packet, err, tt.want)
		}
	}
}

// passSocketOf answers the next request at the guard's end.
func passSocketOf(t *testing.T, guard *net.UnixConn) {
	t.Helper()
	packet := make([]byte, maxPacket)
	n, err := guard.Read(packet)
	if err != nil {
		t.Fatal(err)
	}
	passSocket(t.Context(), guard, binary.BigEndian.Uint64(packet), string(packet[idBytes:n]))
}

// dialThrough dials and plays the guard.
func dialThrough(t *testing.T, h *socketBroker, guard *net.UnixConn, address string) (conn net.Conn, err error) {
	t.Helper()
	var dialing sync.WaitGroup
	dialing.Go(func() { conn, err = h.dial(t.Context(), address) })
	passSocketOf(t, guard)
	dialing.Wait()
	return conn, err
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestDialOfAServerThatIsGone(t *testing.T) {
	s, _ := startFake(t, IsolateAlways)
	waitListening(t, s, DeviceCPU)
	if _, err := s.Dial(t.Context(), "udp", s.address); err == nil {
		t.Error("a network that is not tcp was dialled")
	}
	syscall.Kill(s.cmd.Process.Pid, syscall.SIGSTOP)
	awaitStopped(t, s.cmd.Process.Pid)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Dial(ctx, "tcp", s.address); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stopped: %v, want the context's end", err)
	}
	syscall.Kill(s.cmd.Process.Pid, syscall.SIGCONT)
	s.Stop()
	if _, err := s.Dial(t.Context(), "tcp", s.address); !errors.Is(err, errBrokerLost) {
		t.Errorf("ended: %v, want that the guard is gone", err)
	}
}
