package ollama

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
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
