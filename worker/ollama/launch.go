package ollama

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"fluxworker/worker/safeopen"
)

// startIsolatedOrNot starts the guard with the isolation of the settings. With IsolateAuto it starts a guard without
// isolation if isolation fails. The retry is cheap: isolation fails before the guard starts the server.
func (s *Server) startIsolatedOrNot(program string, args []string, settings Settings) error {
	if err := settings.Isolate.check(); err != nil {
		return err
	}
	if settings.Isolate == "" || settings.Isolate == IsolateNever {
		return s.launch(program, args, settings, false)
	}
	err := checkSetuid(program, args)
	if err == nil && settings.Device != DeviceCPU {
		err = checkDeviceFiles("/dev")
	}
	if err == nil {
		err = s.launch(program, args, settings, true)
	}
	if err == nil {
		return nil
	}
	if settings.Isolate == IsolateAlways {
		return fmt.Errorf("isolate the server: %w", err)
	}
	s.refused = err
	return s.launch(program, args, settings, false)
}

// launch starts a guard. For an isolated guard it waits until the namespaces are ready.
func (s *Server) launch(program string, args []string, settings Settings, isolated bool) (err error) {
	var ours, theirs files
	defer func() {
		theirs.close()
		if err != nil {
			ours.close()
		}
	}()
	log, err := safeopen.New(s.logPath, 0o600)
	if err != nil {
		return err
	}
	ours = append(ours, log)
	output, outputEnd, err := os.Pipe()
	if err != nil {
		return err
	}
	ours, theirs = append(ours, output), append(theirs, outputEnd)
	lifelineEnd, lifeline, err := os.Pipe()
	if err != nil {
		return err
	}
	ours, theirs = append(ours, lifeline), append(theirs, lifelineEnd)

	cmd := guardCommand(program, args, settings, isolated)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = lifelineEnd, outputEnd, outputEnd
	if isolated {
		brokerOurs, brokerTheirs, err := socketPair()
		if err != nil {
			return err
		}
		ours, theirs = append(ours, brokerOurs), append(theirs, brokerTheirs)
		isolate(cmd, brokerTheirs)
		if err := cmd.Start(); err != nil {
			return namespaceError(err)
		}
		theirs.close() // otherwise the end of the guard would stay unnoticed
		if s.broker, err = openBroker(brokerOurs); err != nil {
			cmd.Process.Kill()
			cmd.Wait()
			if errors.Is(err, errGuardSilent) {
				err = fmt.Errorf("%w%s", err, guardOutput(output))
			}
			return namespaceError(err)
		}
	} else if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.lifeline = cmd, lifeline
	go s.log.read(output, log)
	go s.wait(output, settings.Home)
	return nil
}

// guardCommand returns the command that runs this program as a guard.
func guardCommand(program string, args []string, settings Settings, isolated bool) *exec.Cmd {
	argv := []string{"fluxworker", GuardCommand} // argv[0] is the name in ps
	if isolated {
		argv = append(argv, isolatedFlag)
	}
	argv = append(append(argv, settings.Home, program), args...)
	cmd := exec.Command("/proc/self/exe")
	if settings.Port == 0 {
		cmd.Args, cmd.Env = append(argv, "serve"), environment(os.Environ(), settings)
	} else {
		cmd.Args, cmd.Env = argv, foreignEnvironment(os.Environ(), settings)
	}
	// A process group of its own: the terminal's Ctrl-C reaches only the worker, and one kill ends the whole group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// guardOutput returns the output of a guard that ended before it started the server.
func guardOutput(output io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(output, 300))
	if len(text) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%q)", text)
}

// files is a set of open files that are closed together.
type files []*os.File

// close closes all files. A second call does nothing.
func (f *files) close() {
	for _, file := range *f {
		file.Close()
	}
	*f = nil
}
