package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"fluxworker/batcher"
	"fluxworker/worker/lease"
	"fluxworker/worker/ollama"
	"fluxworker/worker/outcome"
)

// PullLock is the prefix of the locks in the folder of the models. Ollama reads only the subfolders of this folder.
const PullLock = "fluxworker-pull-lock."

// PullError means that the model could not be fetched. Err wraps ollama.ErrNotInRegistry or ollama.ErrModelsFull, is a
// *lease.FileError where the folder cannot be written, or else the server's own error.
type PullError struct {
	Model, Dir string
	Err        error
	Nearest    []string // similar models that the catalog knows; may be empty
}

func (e *PullError) Error() string {
	what := fmt.Sprintf("pull model %s into %s: %v", e.Model, e.Dir, e.Err)
	switch {
	case errors.Is(e.Err, ollama.ErrNotInRegistry):
		return what + "; look for its name at https://ollama.com/library" + nearestText(e.Nearest)
	case errors.Is(e.Err, ollama.ErrModelsFull):
		return what + "; free some space, or choose another folder with --ollama-models; the same command goes on with what is there"
	case errors.Is(e.Err, fs.ErrPermission), errors.Is(e.Err, syscall.EROFS):
		return what + "; choose a folder that you may write to with --ollama-models"
	}
	return what
}

func (e *PullError) Unwrap() error { return e.Err }

// Pull fetches the model into the folder of the models, with a server of its own. present reports that the model was there
// already. Of many processes that pull into one folder, on all nodes, one pulls and the others wait. Errors: PullError;
// ErrStopped when the context ended; those of ollama for the server.
func (i Inspector) Pull(ctx context.Context) (info ollama.Info, present bool, err error) {
	i.PullMissing = true
	fetched := false
	i.OnFetch = func() { fetched = true }
	if info, err = i.Inspect(ctx); err != nil && ctx.Err() != nil {
		err = outcome.BySignal()
	}
	return info, err == nil && !fetched, err
}

// fetch takes the lock of the folder, and pulls the model unless another process did so meanwhile.
func (i Inspector) fetch(ctx context.Context, client *ollama.Client) error {
	failed := func(err error) error { return &PullError{Model: i.Model, Dir: i.Models, Err: err, Nearest: i.Nearest} }
	if i.URL == "" { // a server that runs already owns its folder
		if err := os.MkdirAll(i.Models, 0o755); err != nil {
			return failed(&lease.FileError{Path: i.Models, Err: err})
		}
		held, err := lease.Acquire(ctx, lease.Options{
			Dir: i.Models, Prefix: PullLock, Mode: 0o644, Self: i.Self, Patient: true,
			OnWait: func(h lease.Holder) {
				i.Log.Info().Str("model", i.Model).Stringer("by", h).Msg("another process pulls into this folder; waiting for its end")
			},
		})
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			return failed(err)
		}
		defer held.Release()
		if _, err := client.Describe(ctx, i.Model); !errors.Is(err, ollama.ErrModelMissing) {
			return err
		}
	}
	if i.OnFetch != nil {
		i.OnFetch()
	}
	if err := client.Pull(ctx, i.Model, i.follow()); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return failed(err)
	}
	return nil
}

// follow returns the callback of a pull. It logs a line for each tenth of a layer, and ends the pull before a layer that the
// file system has no space for.
func (i Inspector) follow() func(ollama.PullStep) error {
	var last, layer string
	return func(p ollama.PullStep) error {
		if p.Layer != layer && p.Total > 0 {
			layer = p.Layer
			if err := i.checkSpace(p); err != nil {
				return err
			}
		}
		text := p.Status
		if p.Total > 0 {
			text = fmt.Sprintf("%s %d %% of %s", p.Status, 10*(10*p.Done/p.Total), batcher.Size(p.Total))
		}
		if text != last {
			i.Log.Info().Str("model", i.Model).Msg("pull: " + text)
			last = text
		}
		return nil
	}
}

// checkSpace compares the missing bytes of a layer with the free space of the file system. A quota counts only where the file
// system includes it in the free space; elsewhere the write that exceeds the quota fails. Error: ErrModelsFull.
func (i Inspector) checkSpace(p ollama.PullStep) error {
	if i.URL != "" {
		return nil // the server may run on another machine
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(i.Models, &disk); err != nil {
		return nil // the pull itself fails on a full disk
	}
	if need, free := p.Total-p.Done, int64(disk.Bavail)*int64(disk.Bsize); need > free {
		return fmt.Errorf("%w: a layer of it needs %s, and the file system has %s left for you", ollama.ErrModelsFull, batcher.Size(need), batcher.Size(free))
	}
	return nil
}
