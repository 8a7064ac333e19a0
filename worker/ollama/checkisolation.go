package ollama

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// CheckIsolation returns the reason why a server of this command could not be isolated on this machine, or nil if it could.
// It starts an isolated program that does nothing.
func CheckIsolation(command []string, device Device) error {
	if program, err := exec.LookPath(command[0]); err == nil {
		if err := checkSetuid(program, command[1:]); err != nil {
			return err
		}
	}
	if device != DeviceCPU {
		if err := checkDeviceFiles("/dev"); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "fluxworker-try-")
	if err != nil {
		return fmt.Errorf("try isolation: %w", err)
	}
	defer os.RemoveAll(dir)
	s, err := Start([]string{"true"}, Settings{Device: DeviceCPU, Isolate: IsolateAlways}, dir, filepath.Join(dir, "log"))
	var failed *ServerError
	switch {
	case err == nil:
		s.Stop()
		return nil
	case errors.As(err, &failed):
		return failed.Err
	default:
		return fmt.Errorf("try isolation: %w", err)
	}
}
