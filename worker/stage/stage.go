// Package stage reads the files of a model in sequence before servers load them. On a network file system a server that maps a
// file waits for the network at each page fault, with little in flight; a few readers of large pieces fill the page cache of the
// node much faster, and the server then finds the pages there.
//
// Invariants: files are only read; a failure costs time and never a run; of the tasks of a node that want the same files, one
// reads at a time, and the others find the page cache warm.
package stage

import (
	"cmp"
	"context"
	"math"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"fluxworker/batcher"
	"fluxworker/worker/filesystem"
)

// When says whether files are read ahead.
type When string

// The choices.
const (
	Auto   When = "auto" // where the files are on a network file system, and the memory holds them
	Never  When = "never"
	Always When = "always" // on every file system, and whatever the memory
)

// Config says which files are read ahead.
type Config struct {
	When  When // Auto or Always
	Files []string
	Held  int64 // bytes of host memory that all tasks of the node hold beside the files
	Limit int64 // bytes of host memory of all tasks of the node; 0 is no limit
	// Scratch is the folder of this node where tasks agree who reads; "" is the system's folder.
	Scratch string
}

// file is a file to read.
type file struct {
	path string
	size int64
}

// Ahead reads the files until all of them were read or ctx ends. It logs what it does, and its failures as warnings.
func Ahead(ctx context.Context, c Config, log zerolog.Logger) {
	files, total, system, err := c.wanted()
	switch {
	case err != nil:
		log.Warn().Err(err).Msg("the model's files are not read ahead (--stage)")
		return
	case total == 0:
		log.Debug().Msg("the model's files are on a local file system, and are not read ahead (--stage)")
		return
	}
	log = log.With().Str("size", batcher.Size(total)).Str("file_system", system).Logger()
	if limit := c.limit(); c.Held+total > limit {
		line := log.Info().Str("memory", batcher.Size(limit)).Str("held_by_servers", batcher.Size(c.Held))
		if c.When == Auto {
			line.Msg("the memory does not hold the model's files beside the servers, so they are not read ahead (--stage): ask SLURM for more (--mem), or copy the model to a folder of the node in the job script")
			return
		}
		line.Msg("the memory does not hold the model's files beside the servers: reading them ahead may gain nothing (--stage)")
	}
	turn, read := take(ctx, c.lockPath(files), func() {
		log.Info().Msg("another task of this node reads the model's files ahead; waiting for it")
	})
	if read || ctx.Err() != nil {
		return
	}
	log.Info().Msg("reading the model's files ahead of the servers (--stage)")
	began := time.Now()
	err = readAll(ctx, files, log)
	turn.pass(err == nil)
	took := time.Since(began).Seconds()
	switch {
	case ctx.Err() != nil: // the run ends, for a reason that others report
	case err != nil:
		log.Warn().Err(err).Msg("the model's files were not read ahead to their end (--stage)")
	default:
		log.Info().Float64("seconds", rounded(took)).Float64("mb_per_s", rounded(float64(total)/1e6/took)).Msg("the model's files are read ahead")
		warnIfDropped(files, log)
	}
}

// wanted returns the files to read, their bytes, and the name of their file system.
func (c Config) wanted() (files []file, total int64, system string, _ error) {
	for _, path := range c.Files {
		s, err := filesystem.At(path)
		if err != nil {
			return nil, 0, "", err
		}
		if c.When == Auto && !s.Network {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, 0, "", err
		}
		files = append(files, file{path, info.Size()})
		total += info.Size()
		system = cmp.Or(system, s.Name)
	}
	return files, total, system, nil
}

// limit returns the memory for the servers and the page cache: the limit of the job, but at most what the node has.
func (c Config) limit() int64 {
	limit := cmp.Or(c.Limit, math.MaxInt64)
	var node unix.Sysinfo_t
	if err := unix.Sysinfo(&node); err == nil {
		limit = min(limit, int64(node.Totalram)*int64(node.Unit))
	}
	return limit
}

// rounded rounds a number for a log.
func rounded(x float64) float64 { return math.Round(x*10) / 10 }
