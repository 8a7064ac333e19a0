package ollama

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopTimeout is the sum of the guard's own limits plus a margin.
const stopTimeout = termGrace + killGrace + 2*time.Second

// Server is a server process of our own. The caller of Start must call Stop.
type Server struct {
	cmd      *exec.Cmd
	broker   *socketBroker // connects to an isolated server; nil otherwise
	refused  error         // the reason why isolation failed with IsolateAuto
	lifeline *os.File      // our end of the guard's pipe; closing it ends the server
	log      *serverLog
	logPath  string
	settings []string // the variables that carry the settings
	address  string
	port     int                       // of a server of another program than Ollama; else 0
	escaped  atomic.Pointer[[]escaped] // of a listening server without namespaces
	done     chan struct{}
	err      error // why the server ended; valid after done is closed
}

// Start runs "COMMAND serve" below a guard, or the command alone for a server of another program. It makes a scratch folder below scratchRoot, which is removed with the
// server, and writes the server's output to logPath. The server is not ready yet when Start returns.
func Start(command []string, s Settings, scratchRoot, logPath string) (*Server, error) {
	program, err := exec.LookPath(command[0])
	if err != nil && s.Port > 0 {
		return nil, fmt.Errorf("%w: %q: %w; load the module or activate the environment that has it, or give its path in --server-command; for NAME=VALUE, && and the like write bash -c '…' there", ErrNotFound, command[0], errors.Unwrap(err))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w; load the module that has it, give --ollama PATH (put a path with blanks into extra quotes), or %s",
			ErrNotFound, command[0], errors.Unwrap(err), fetchOllama)
	}
	// A command found in the current folder was given with its path (--ollama ./ollama).
	if program, err = filepath.Abs(program); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	s.Home, err = os.MkdirTemp(scratchRoot, scratchPrefix)
	if err != nil {
		return nil, fmt.Errorf("start server: make scratch folder: %w; set SLURM_TMPDIR or TMPDIR to a writable folder", err)
	}
	if s.File != nil {
		s.Models = filepath.Join(s.Home, "models")
		if err := s.File.layOut(s.Models); err != nil {
			os.RemoveAll(s.Home)
			return nil, &ServerError{Op: "make a model folder", Err: err}
		}
	}
	s.Home, s.Models = withoutLinks(s.Home), withoutLinks(s.Models)
	srv := &Server{log: newServerLog(), logPath: logPath, port: s.Port, done: make(chan struct{})}
	if s.Port == 0 {
		srv.settings = s.variables()
	}
	if err := srv.startIsolatedOrNot(program, command[1:], s); err != nil {
		os.RemoveAll(s.Home)
		return nil, &ServerError{Op: "start server", Err: err}
	}
	return srv, nil
}

// wait waits for the guard. No other function does so.
func (s *Server) wait(output *os.File, scratch string) {
	err := s.cmd.Wait()
	if s.broker != nil {
		s.broker.close() // the kernel has killed the rest of the guard's PID namespace
	} else {
		// If the guard itself was killed, the server died with it (parent-death signal), but the server's runners did
		// not. They are in the guard's process group unless they left it on purpose.
		syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		if list := s.escaped.Load(); list != nil {
			for _, e := range *list {
				e.kill()
			}
		}
	}
	select {
	case <-s.log.ended:
	case <-time.After(time.Second): // a descendant holds the pipe and cannot die
		output.Close()
		<-s.log.ended
	}
	output.Close()
	os.RemoveAll(scratch) // the guard has removed it, unless the guard was killed
	if err == nil {
		err = errors.New("the server exited with code 0")
	} else {
		err = fmt.Errorf("the server ended: %w", describe(err))
	}
	s.err = err
	close(s.done)
}

// describe decodes a guard's exit code: 128 and the number of a signal stand for the signal that ended the server. Other codes
// above 128 are the server's own, such as the 255 of Apptainer.
func describe(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	signal := syscall.Signal(exit.ExitCode() - 128)
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() { // the guard itself
		signal = status.Signal()
	}
	switch {
	case signal == syscall.SIGKILL:
		return errors.New("signal: killed (by the kernel, if the job's memory was used up: ask for more with --mem)")
	case unix.SignalName(signal) != "":
		return fmt.Errorf("signal: %v", signal)
	}
	return err
}

// withoutLinks resolves the symbolic links of a path: a link may lead nowhere in a container. A path that does not exist stays
// as it is.
func withoutLinks(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// Done returns a channel that is closed when all processes of the server are gone. Err returns the reason then.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err returns why the server ended, with the last lines of its log. Call it after Done is closed.
func (s *Server) Err() error { return s.Failed("run server", s.err) }

// Bound returns a context that ends with the server, too; its cause is the end of the server then. The caller must call cancel,
// after which nothing of it remains.
func (s *Server) Bound(ctx context.Context) (bounded context.Context, cancel context.CancelFunc) {
	bounded, end := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-s.done:
			end(s.err)
		case <-bounded.Done():
		}
	}()
	return bounded, func() {
		end(nil)
		<-watched
	}
}

// Stop ends the server and waits until all its processes are gone.
func (s *Server) Stop() {
	s.lifeline.Close()
	select {
	case <-s.done:
		return
	case <-time.After(stopTimeout):
		syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	}
	select {
	case <-s.done:
	case <-time.After(killGrace):
		// The first process of a namespace ends after all the others, and one of them hangs in a driver. All have got
		// SIGKILL; further waiting would only keep the job's other nodes busy.
	}
}

// Isolated reports whether the server lives in its own namespaces. An isolated server can only be reached with Dial.
func (s *Server) Isolated() bool { return s.broker != nil }

// IsolationRefused returns the reason why the server is not isolated with IsolateAuto; nil if it is isolated or
// isolation was not requested.
func (s *Server) IsolationRefused() error { return s.refused }

// Dial connects to an address in the server's network. It is safe for concurrent use after Start has returned. Network
// must be tcp.
func (s *Server) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s.broker == nil {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	if network != "tcp" {
		return nil, fmt.Errorf("connect to isolated server: network %q is not tcp", network)
	}
	return s.broker.dial(ctx, address)
}

// Address returns the server's host:port; empty before WaitListening.
func (s *Server) Address() string { return s.address }

// URL returns the server's base URL. It is valid after WaitListening.
func (s *Server) URL() string { return "http://" + s.address }

// OutOfMemory reports whether an allocation on a GPU failed, after Done. A server may go on after such a failure with a smaller buffer, so
// only a load that failed, too, failed for want of memory.
func (s *Server) OutOfMemory() bool {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.noRoom
}

// Layers returns how many layers of the loaded model are on the GPU; nil if the server did not report it.
func (s *Server) Layers() *Layers {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.layers
}

// WaitListening waits until the server has reported its settings, its port and its device; a server of another program must only
// listen. It returns ErrSettings for a server
// that has other settings than those of Start. Unless device is DeviceCPU it returns ErrNoGPU for a server without a GPU: such
// a server would run, but a hundred times slower.
func (s *Server) WaitListening(ctx context.Context, device Device) error {
	const op = "start server"
	if s.port > 0 {
		return s.waitForPort(ctx, op)
	}
	select {
	case s.address = <-s.log.address:
		s.findEscaped()
		if err := s.checkSettings(); err != nil {
			return s.Failed(op, err)
		}
	case <-s.done:
		if err := s.checkSettings(); err != nil {
			return s.Failed(op, err)
		}
		err := s.err
		if s.Isolated() {
			err = fmt.Errorf("%w; it was isolated: if it is a container that needs setuid, use --isolate auto or never", err)
		}
		return s.Failed(op, err)
	case <-ctx.Done():
		return s.Failed(op, fmt.Errorf("it reported no listening address: %w", context.Cause(ctx)))
	}
	if device == DeviceCPU {
		return nil
	}
	select {
	case library := <-s.log.library:
		if library == "cpu" {
			return fmt.Errorf("%w: the driver shows a GPU, but the server found none and would compute on the CPU; Ollama needs its CUDA libraries beside it (lib/ollama/cuda_v12 or cuda_v13) and a driver that is new enough for them; --device cpu computes on the CPU",
				ErrNoGPU)
		}
		return nil
	case <-s.done:
		return s.Failed(op, s.err)
	case <-ctx.Done():
		return s.Failed(op, fmt.Errorf("it did not report its compute device: %w", context.Cause(ctx)))
	}
}

// findEscaped notes the processes of a server without namespaces that the end of its guard would miss.
func (s *Server) findEscaped() {
	if !s.Isolated() {
		list := escapedFrom(s.cmd.Process.Pid)
		s.escaped.Store(&list)
	}
}

// Failed returns a *ServerError with the last lines of the server's log.
func (s *Server) Failed(op string, err error) error {
	return &ServerError{Op: op, Err: err, LogPath: s.logPath, LogTail: s.log.last()}
}
