package worker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/rs/zerolog"

	"fluxworker/batcher"
	"fluxworker/worker/lease"
	"fluxworker/worker/ollama"
)

// pullLock begins the names of the locks in the folder of the models. Ollama looks into its subfolders alone.
const pullLock = "fluxworker-pull-lock."

// PullError is a model that could not be fetched. Err is ollama.ErrNotInRegistry or ollama.ErrModelsFull where it was one
// of these, a *lease.FileError where the folder cannot be written, else what the server says.
type PullError struct {
	Model, Dir string
	Err        error
}

func (e *PullError) Error() string {
	what := fmt.Sprintf("pull model %s into %s: %v", e.Model, e.Dir, e.Err)
	switch {
	case errors.Is(e.Err, ollama.ErrNotInRegistry):
		return what + "; look for its name at https://ollama.com/library"
	case errors.Is(e.Err, ollama.ErrModelsFull):
		return what + "; free some space, or choose another folder with --ollama-models; the same command goes on with what is there"
	case errors.Is(e.Err, fs.ErrPermission), errors.Is(e.Err, syscall.EROFS):
		return what + "; choose a folder that you may write to with --ollama-models"
	}
	return what
}

func (e *PullError) Unwrap() error { return e.Err }

// Pull has the model fetched into the folder of the models by a server that lives for this alone, unless it is there:
// then present is true. Of many that pull into one folder, on whichever nodes, one does and the others wait. Errors:
// PullError; ErrStopped when the context ended; those of ollama for the server.
func (c Config) Pull(ctx context.Context, log zerolog.Logger, logPath string) (info ollama.Info, present bool, err error) {
	c.Server.PullMissing = true
	s := c.scout(log, logPath)
	fetched := false
	s.onFetch = func() { fetched = true }
	if info, err = s.look(ctx); err != nil && ctx.Err() != nil {
		err = errSignal
	}
	return info, err == nil && !fetched, err
}

// fetch pulls the model, if nobody else has done so by the time that the folder is ours.
func (s scout) fetch(ctx context.Context, client *ollama.Client) error {
	failed := func(err error) error { return &PullError{Model: s.model, Dir: s.Models, Err: err} }
	if s.URL == "" { // else the folder is the business of somebody else's server
		if err := os.MkdirAll(s.Models, 0o755); err != nil {
			return failed(&lease.FileError{Path: s.Models, Err: err})
		}
		held, err := lease.Acquire(ctx, lease.Options{
			Dir: s.Models, Prefix: pullLock, Mode: 0o644, Self: s.self, Patient: true,
			OnWait: func(h lease.Holder) {
				s.log.Info().Str("model", s.model).Stringer("by", h).Msg("somebody pulls into this folder; waiting for that to end")
			},
		})
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			return failed(err)
		}
		defer held.Release()
		if _, err := client.Describe(ctx, s.model); !errors.Is(err, ollama.ErrModelMissing) {
			return err
		}
	}
	if s.onFetch != nil {
		s.onFetch()
	}
	if err := client.Pull(ctx, s.model, s.follow()); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return failed(err)
	}
	return nil
}

// follow logs a line for each tenth of a layer, and ends a pull that will not fit before it has filled the disk.
func (s scout) follow() func(ollama.PullStep) error {
	var last, layer string
	return func(p ollama.PullStep) error {
		if p.Layer != layer && p.Total > 0 {
			layer = p.Layer
			if err := s.checkRoom(p); err != nil {
				return err
			}
		}
		text := p.Status
		if p.Total > 0 {
			text = fmt.Sprintf("%s %d %% of %s", p.Status, 10*(10*p.Done/p.Total), batcher.Size(p.Total))
		}
		if text != last {
			s.log.Info().Str("model", s.model).Msg("pull: " + text)
			last = text
		}
		return nil
	}
}

// checkRoom compares what a layer has to come with what the file system has left for us. A quota shows here only where the
// file system counts it as free space; elsewhere the write that exceeds it fails.
func (s scout) checkRoom(p ollama.PullStep) error {
	if s.URL != "" {
		return nil // its disk may be another machine's
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(s.Models, &disk); err != nil {
		return nil // only the pull can tell
	}
	if need, free := p.Total-p.Done, int64(disk.Bavail)*int64(disk.Bsize); need > free {
		return fmt.Errorf("%w: a layer of it needs %s, and the file system has %s left for you", ollama.ErrModelsFull, batcher.Size(need), batcher.Size(free))
	}
	return nil
}
