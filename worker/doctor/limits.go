package doctor

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// limits checks the resource limits of this process (ulimit).
func (r *report) limits() {
	const check = "ulimit"
	bad := false
	for _, l := range []struct {
		resource int
		option   string // of ulimit
		name     string
		enough   uint64
	}{
		{unix.RLIMIT_NOFILE, "-n", "open files", 1024},       // two for each row in flight, and those of the servers
		{unix.RLIMIT_NPROC, "-u", "processes", 512},          // threads count, and a server has dozens
		{unix.RLIMIT_AS, "-v", "address space", 1 << 40},     // the CUDA driver maps the memory of all GPUs
		{unix.RLIMIT_FSIZE, "-f", "size of a file", 1 << 40}, // of the results
	} {
		var limit unix.Rlimit
		if err := unix.Getrlimit(l.resource, &limit); err != nil || limit.Max >= l.enough { // Go raises the soft limit of files itself
			continue
		}
		bad = true
		r.warn(check, "raise it with `ulimit "+l.option+" unlimited` in the job script, or ask the administrator", "the limit of %s (%s) is %s", l.name, l.option, strconv.FormatUint(limit.Max, 10))
	}
	if !bad {
		r.ok(check, "enough open files, processes, address space and size of files")
	}
}
