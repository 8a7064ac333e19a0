package ollama

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// CheckIsolation returns the reason why a server of this command could not be isolated on this machine, or nil if it could.
// It starts the command isolated, waits until the server listens, and ends it. tried is false where the command does not exist
// here: then a program that does nothing takes its place, and the result holds for the machine alone.
func CheckIsolation(ctx context.Context, command []string, device Device, limit time.Duration) (tried bool, err error) {
	dir, err := os.MkdirTemp("", "fluxworker-try-")
	if err != nil {
		return false, fmt.Errorf("try isolation: %w", err)
	}
	defer os.RemoveAll(dir)
	if device != DeviceCPU {
		if err := checkDeviceFiles("/dev"); err != nil {
			return true, err
		}
	}
	settings := Settings{Models: dir, Slots: 1, Context: 1, Device: DeviceCPU, LoadTimeout: limit, Isolate: IsolateAlways}
	start := func(command []string) (*Server, error) {
		return Start(command, settings, dir, filepath.Join(dir, "log"))
	}
	s, err := start(command)
	if errors.Is(err, ErrNotFound) {
		if s, err = start([]string{"true"}); err == nil {
			s.Stop()
		}
		return false, WithoutLog(err)
	}
	if err != nil {
		return true, WithoutLog(err)
	}
	defer s.Stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return true, WithLastLine(s.WaitListening(ctx, DeviceCPU))
}
