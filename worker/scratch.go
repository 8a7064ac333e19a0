package worker

import (
	"fmt"
	"os"
)

// ScratchRoot is the folder that scratch goes below: SLURM_TMPDIR, which some sites make for each job and remove with it,
// else TMPDIR, else /tmp. One that is set but cannot be written to is passed over and told of: sbatch brings a TMPDIR of the
// login node along, which the compute node may not have. Empty means that none can be written to.
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
			warnings = append(warnings, fmt.Sprintf("%s is %s, where no scratch can be made: %v", name, dir, err))
		}
	}
	return "", warnings
}
