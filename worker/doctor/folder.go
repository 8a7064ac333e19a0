package doctor

import (
	"fmt"

	"golang.org/x/sys/unix"

	"fluxworker/batcher"
	"fluxworker/worker/filesystem"
)

// described returns the room and the kind of a file system for a finding.
func described(f filesystem.System) string {
	return fmt.Sprintf("%s free, %s", batcher.Size(f.Free), f.Name)
}

// writable reports whether this user may make files in a folder.
func writable(path string) bool { return unix.Access(path, unix.W_OK|unix.X_OK) == nil }
