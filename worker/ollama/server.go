package ollama

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// stopTimeout is what the guard's own limits add up to, and some.
const stopTimeout = termGrace + killGrace + 2*time.Second

// Server is a server of our own. Whoever starts it must Stop it.
type Server struct {
	cmd      *exec.Cmd
	hatch    *hatch   // the way to an isolated server, else nil
	refused  error    // why it is not isolated although it was to be
	lifeline *os.File // our end of the guard's pipe: closing it ends the server
	log      *serverLog
	logPath  string
	address  string
	done     chan struct{}
	err      error // why it ended; valid after done is closed
}

// Start runs "COMMAND serve" below a guard. The scratch folder goes below scratchRoot and disappears with the server;
// what the server prints goes to logPath. The server is not ready yet.
func Start(command []string, s Settings, scratchRoot, logPath string) (*Server, error) {
	program, err := exec.LookPath(command[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w; load the module that brings it or name it with --ollama PATH (a path with blanks in quotes of its own)",
			ErrNotFound, command[0], errors.Unwrap(err))
	}
	// A command found in the current folder was named so by the user (--ollama ./ollama).
	if program, err = filepath.Abs(program); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	s.Home, err = os.MkdirTemp(scratchRoot, scratchPrefix)
	if err != nil {
		return nil, fmt.Errorf("start server: make scratch folder: %w; SLURM_TMPDIR or TMPDIR must name a folder that you may write to", err)
	}
	if s.File != nil {
		s.Models = filepath.Join(s.Home, "models")
		if err := s.File.layOut(s.Models); err != nil {
			os.RemoveAll(s.Home)
			return nil, &ServerError{Op: "make a model folder", Err: err}
		}
	}
	srv := &Server{log: newServerLog(), logPath: logPath, done: make(chan struct{})}
	if err := srv.startIsolatedOrNot(program, command[1:], s); err != nil {
		os.RemoveAll(s.Home)
		return nil, &ServerError{Op: "start server", Err: err}
	}
	return srv, nil
}

// wait is the only one to wait for the guard.
func (s *Server) wait(output *os.File, scratch string) {
	err := s.cmd.Wait()
	if s.hatch != nil {
		s.hatch.close() // and the kernel has killed everything else in the guard's namespace
	} else {
		// Were the guard itself killed, the server died with it (parent-death signal) but its runners did not. They are
		// in the guard's process group unless they left it on purpose.
		syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	}
	select {
	case <-s.log.ended:
	case <-time.After(time.Second): // somebody below still holds the pipe and cannot die
		output.Close()
		<-s.log.ended
	}
	output.Close()
	os.RemoveAll(scratch) // the guard has done so, unless it was killed
	if err == nil {
		err = errors.New("the server exited with code 0")
	} else {
		err = fmt.Errorf("the server ended: %w", describe(err))
	}
	s.err = err
	close(s.done)
}

// describe spells a guard's exit code: above 128 it stands for the signal that ended the server.
func describe(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 128 {
		return fmt.Errorf("signal: %v", syscall.Signal(exit.ExitCode()-128))
	}
	return err
}

// Done is closed when the server and all of its processes are gone. Err then says why.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err is why the server ended, with the end of its log. Call it after Done is closed.
func (s *Server) Err() error { return s.Failed("run server", s.err) }

// Stop ends the server and waits until nothing of it is left.
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
		// The first process of a namespace does not end before all the others, and one hangs in a driver. It has been
		// sent KILL; to wait for it would only keep the job's other nodes.
	}
}

// Isolated tells whether the server lives in namespaces of its own. Then it answers at its URL only by Dial.
func (s *Server) Isolated() bool { return s.hatch != nil }

// IsolationRefused is why the server is not isolated although IsolateAuto was said; nil where it is or was not to be.
func (s *Server) IsolationRefused() error { return s.refused }

// Dial connects to an address where the server lives. It may be called from many goroutines, but not before Start has
// returned. Network is tcp.
func (s *Server) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s.hatch == nil {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	if network != "tcp" {
		return nil, fmt.Errorf("connect to isolated server: network %q is not tcp", network)
	}
	return s.hatch.dial(ctx, address)
}

// Address is where the server listens, as host:port; empty before WaitListening.
func (s *Server) Address() string { return s.address }

// URL is where the server answers; empty before WaitListening.
func (s *Server) URL() string { return "http://" + s.address }

// Layers tells where the layers of the model went, once it is loaded; nil where the server did not say.
func (s *Server) Layers() *Layers {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.layers
}

// WaitListening waits until the server has a port and has told what it computes on. A GPU is demanded unless the CPU
// was asked for: a server that found none runs anyway, a hundred times slower.
func (s *Server) WaitListening(ctx context.Context, device Device) error {
	const op = "start server"
	select {
	case s.address = <-s.log.address:
	case <-s.done:
		err := s.err
		if s.Isolated() {
			err = fmt.Errorf("%w; it was isolated: if it is a container that needs setuid, say --isolate never", err)
		}
		return s.Failed(op, err)
	case <-ctx.Done():
		return s.Failed(op, fmt.Errorf("it said no address to answer on: %w", context.Cause(ctx)))
	}
	if device == DeviceCPU {
		return nil
	}
	select {
	case library := <-s.log.library:
		if library == "cpu" {
			return fmt.Errorf("%w: the server found none and would compute on the CPU; ask SLURM for one (--gres=gpu:1), or say --device cpu if that is what you want",
				ErrNoGPU)
		}
		return nil
	case <-s.done:
		return s.Failed(op, s.err)
	case <-ctx.Done():
		return s.Failed(op, fmt.Errorf("it did not say what it computes on: %w", context.Cause(ctx)))
	}
}

// Failed is an error of this server with the end of its log.
func (s *Server) Failed(op string, err error) error {
	return &ServerError{Op: op, Err: err, LogPath: s.logPath, LogTail: s.log.last()}
}
