package doctor

import "fluxworker/worker/filesystem"

const (
	// littleScratch is what servers and their logs may need in their scratch folders, in bytes.
	littleScratch = 1 << 30
	// longScratch is the length of a path below which sockets can be made: a socket's path holds 107 bytes, and a server's folder
	// and file come behind.
	longScratch = 60
)

// scratch checks the folder for the servers' HOME and temporary files.
func (r *report) scratch(c Config) {
	const check = "scratch"
	for _, skipped := range c.SkippedScratch {
		r.warn(check, "make the folder in the job script, or unset the variable", "%s", skipped)
	}
	if c.Scratch == "" {
		r.fail(check, "set TMPDIR to a folder of this node that you may write to", "no scratch folder can be made in SLURM_TMPDIR, TMPDIR or /tmp")
		return
	}
	f, err := filesystem.At(c.Scratch)
	remedy := "set TMPDIR to another folder of this node"
	switch {
	case err != nil:
		r.fail(check, remedy, "%v", err)
	case f.Free < littleScratch:
		r.warn(check, remedy, "%s: %s", c.Scratch, described(f))
	case f.NoExec:
		r.warn(check, remedy, "%s: %s, mounted with noexec: programs that a container or Ollama unpacks there do not start", c.Scratch, described(f))
	case len(c.Scratch) > longScratch:
		r.warn(check, "set TMPDIR to a shorter path", "%s: the path has %d bytes, and sockets below it can have 107", c.Scratch, len(c.Scratch))
	default:
		r.ok(check, "%s: %s", c.Scratch, described(f))
	}
}
