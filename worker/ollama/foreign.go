package ollama

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A server of another program than Ollama has a guard and namespaces like Ollama. Its command says everything about it, its port
// included, so it reports nothing that would be read.

// foreignEnvironment returns the environment of such a server: the job's, with its home and its caches, and without fluxworker's own
// variables, which may hold secrets. Devices are entries of CUDA_VISIBLE_DEVICES.
func foreignEnvironment(job []string, s Settings) []string {
	var set []string
	switch {
	case s.Device == DeviceCPU:
		set = []string{"CUDA_VISIBLE_DEVICES=-1", "ROCR_VISIBLE_DEVICES=-1"}
	case len(s.Devices) > 0:
		set = []string{"CUDA_DEVICE_ORDER=PCI_BUS_ID", "CUDA_VISIBLE_DEVICES=" + strings.Join(s.Devices, ",")}
	}
	var env []string
	for _, v := range job {
		name := variableName(v)
		replaced := false
		for _, other := range set {
			replaced = replaced || variableName(other) == name
		}
		if !replaced && !strings.HasPrefix(name, "FLUXWORKER_") {
			env = append(env, v)
		}
	}
	return append(env, set...)
}

// connectEvery is the time between two attempts to connect to a server that starts.
const connectEvery = 50 * time.Millisecond

// waitForPort waits until the server accepts connections on its port.
func (s *Server) waitForPort(ctx context.Context, op string) error {
	s.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
	tick := time.NewTicker(connectEvery)
	defer tick.Stop()
	for {
		if conn, err := s.Dial(ctx, "tcp", s.address); err == nil {
			conn.Close()
			if err := s.checkListener(); err != nil {
				return s.Failed(op, err)
			}
			s.findEscaped()
			return nil
		}
		select {
		case <-s.done:
			err := s.err
			if s.Isolated() {
				err = fmt.Errorf("%w; it was isolated: if it is a container that needs setuid, or needs the network, use --isolate never", err)
			}
			return s.Failed(op, err)
		case <-ctx.Done():
			return s.Failed(op, fmt.Errorf("it does not listen on port %d of 127.0.0.1: %w", s.port, context.Cause(ctx)))
		case <-tick.C:
		}
	}
}

// checkListener returns an error where another user listens on the port: while the server still loads its model, every user of the
// node may take its port, and would get the prompts and the key. Root is trusted, and so are the users of the server's processes,
// such as those of a container.
func (s *Server) checkListener() error {
	owner, known := listener(s.port)
	if s.Isolated() || !known || owner == 0 || owner == os.Getuid() {
		return nil
	}
	for _, pid := range descendants(s.cmd.Process.Pid) {
		var process unix.Stat_t
		if unix.Stat(fmt.Sprintf("/proc/%d", pid), &process) == nil && int(process.Uid) == owner {
			return nil
		}
	}
	return fmt.Errorf("a process of user %d, and not the server, listens on port %d of 127.0.0.1, and would get the prompts; run the same command again, which takes another port", owner, s.port)
}

// listener returns the user of the process that listens on a port of 127.0.0.1; known is false where the kernel does not tell.
func listener(port int) (user int, known bool) {
	loopback := binary.NativeEndian.Uint32([]byte{127, 0, 0, 1})
	for _, table := range []struct{ path, all, mapped string }{
		{"/proc/net/tcp", strings.Repeat("0", 8), ""},
		{"/proc/net/tcp6", strings.Repeat("0", 32), fmt.Sprintf("%016X%08X", 0, binary.NativeEndian.Uint32([]byte{0, 0, 255, 255}))},
	} {
		text, _ := os.ReadFile(table.path)
		for line := range strings.Lines(string(text)) {
			const listens = "0A"
			fields := strings.Fields(line) // number, local address, remote address, state, queues, timer, retransmissions, user
			if len(fields) < 8 || fields[3] != listens {
				continue
			}
			if at := fields[1]; at != fmt.Sprintf("%s:%04X", table.all, port) && at != fmt.Sprintf("%s%08X:%04X", table.mapped, loopback, port) {
				continue
			}
			user, err := strconv.Atoi(fields[7])
			return user, err == nil
		}
	}
	return 0, false
}
