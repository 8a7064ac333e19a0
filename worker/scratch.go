package worker

import (
	"fmt"
	"os"
)

// ScratchRoot returns the folder for scratch folders: SLURM_TMPDIR, which some sites make for each job and remove with it, or
// TMPDIR, or /tmp; "" if it can write to none of them. A variable that names a folder it cannot write to gives a warning:
// sbatch copies the TMPDIR of the login node, and the compute node may not have this folder.
func ScratchRoot(getenv func(string) string) (dir string, warnings []string) {
	for _, name := range []string{"SLURM_TMPDIR", "TMPDIR", ""} {
		dir := "/tmp"
		if name != "" {
			if dir = getenv(name); dir == "" {
				continue
			}
		}
		trial, err := os.MkdirTemp(dir, "fluxworker-try-")
		if err == nil {
			err = os.Remove(trial)
		}
		if err == nil {
			return dir, warnings
		}
		if name != "" {
			warnings = append(warnings, fmt.Sprintf("%s is %s, and no scratch folder can be made there: %v", name, dir, err))
		}
	}
	return "", warnings
}
