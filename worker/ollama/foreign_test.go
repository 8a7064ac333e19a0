package ollama

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"fluxworker/test/await"
)

// Another user who took the port of a server that still loads gets no request.
func TestPortOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root: no other user can be tried")
	}
	for _, test := range []struct {
		name, address string
		user          int
		refused       bool
	}{
		{"this user", "127.0.0.1:0", 0, false},
		{"another user", "127.0.0.1:0", nobody, true},
		{"another user at all addresses", "0.0.0.0:0", nobody, true},
		{"another user at all addresses of IPv6 too", "[::]:0", nobody, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			runtime.LockOSThread()
			syscall.Setfsuid(test.user) // of this thread: a socket belongs to it
			listener, err := net.Listen("tcp", test.address)
			syscall.Setfsuid(0)
			runtime.UnlockOSThread()
			if err != nil {
				t.Skip(err)
			}
			defer listener.Close()
			s, err := Start([]string{"sleep", "60"}, Settings{Port: listener.Addr().(*net.TCPAddr).Port, Device: DeviceCPU}, t.TempDir(), filepath.Join(t.TempDir(), "server.log"))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Stop()
			ctx, cancel := context.WithTimeout(context.Background(), await.Patience)
			defer cancel()
			err = s.WaitListening(ctx, DeviceCPU)
			if (err != nil) != test.refused || err != nil && !strings.Contains(err.Error(), "a process of user 65534, and not the server, listens on port") {
				t.Error(err)
			}
		})
	}
}
