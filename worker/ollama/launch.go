package ollama

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// startIsolatedOrNot starts the guard as the settings want it. A refusal costs nothing: it comes before the guard starts
// the server.
func (s *Server) startIsolatedOrNot(program string, args []string, settings Settings) error {
	if err := settings.Isolate.check(); err != nil {
		return err
	}
	if settings.Isolate == "" || settings.Isolate == IsolateNever {
		return s.launch(program, args, settings, false)
	}
	err := unfit(program, args)
	if err == nil && settings.Device != DeviceCPU {
		err = missingDevice("/dev")
	}
	if err == nil {
		err = s.launch(program, args, settings, true)
	}
	if err == nil {
		return nil
	}
	if settings.Isolate == IsolateAlways {
		return fmt.Errorf("isolate it: %w", err)
	}
	s.refused = err
	return s.launch(program, args, settings, false)
}

// launch starts a guard and returns when it starts the server: an isolated one only where its namespaces are ready.
func (s *Server) launch(program string, args []string, settings Settings, isolated bool) (err error) {
	var ours, theirs files
	defer func() {
		theirs.close()
		if err != nil {
			ours.close()
		}
	}()
	log, err := os.OpenFile(s.logPath, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
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
		hatchOurs, hatchTheirs, err := socketPair()
		if err != nil {
			return err
		}
		ours, theirs = append(ours, hatchOurs), append(theirs, hatchTheirs)
		isolate(cmd, hatchTheirs)
		if err := cmd.Start(); err != nil {
			return refusal(err)
		}
		theirs.close() // or the guard's end would not show
		if s.hatch, err = openHatch(hatchOurs); err != nil {
			cmd.Process.Kill()
			cmd.Wait()
			if errors.Is(err, errGuardSilent) {
				err = fmt.Errorf("%w%s", err, lastWords(output))
			}
			return refusal(err)
		}
	} else if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.lifeline = cmd, lifeline
	go s.log.read(output, log)
	go s.wait(output, settings.Home)
	return nil
}

// guardCommand is this program again, as a guard.
func guardCommand(program string, args []string, settings Settings, isolated bool) *exec.Cmd {
	argv := []string{"fluxworker", GuardCommand} // the first is what ps shows
	if isolated {
		argv = append(argv, isolatedFlag)
	}
	argv = append(append(argv, settings.Home, program), args...)
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append(argv, "serve")
	cmd.Env = environment(os.Environ(), settings)
	// A group of its own: the terminal's Ctrl-C is for us alone, and what is left of the group can be killed at once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// lastWords is what a guard printed that has ended before it started anything.
func lastWords(output io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(output, 300))
	if len(text) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%q)", text)
}

// files are open files that belong together.
type files []*os.File

// close closes all, and may be called again.
func (f *files) close() {
	for _, file := range *f {
		file.Close()
	}
	*f = nil
}
