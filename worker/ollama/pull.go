package ollama

import (
	"context"
	"fmt"
	"strings"
	"syscall"

	"github.com/ollama/ollama/api"
)

// PullStep is the server's progress report during a pull. Layers follow one another, the weights usually first.
type PullStep struct {
	Status string
	Layer  string // digest of the current layer; empty between layers
	// Done and Total are bytes of this layer. Total is 0 if the step does not belong to a layer. Done includes bytes of
	// an earlier pull.
	Done, Total int64
}

// Pull downloads the model to the server's model folder. It calls follow for each step; an error of follow ends the
// pull. An interrupted pull keeps its data, and the next pull continues from there.
//
// Errors: ErrNotInRegistry, ErrModelsFull, the error of follow, of the context or of the network.
func (c *Client) Pull(ctx context.Context, model string, follow func(PullStep) error) error {
	return pullError(c.control().Pull(ctx, &api.PullRequest{Model: model}, func(p api.ProgressResponse) error {
		return follow(PullStep{Status: p.Status, Layer: p.Digest, Done: p.Completed, Total: p.Total})
	}))
}

// pullError adds a sentinel for causes that the user can fix. Ollama sends them as text inside HTTP 200 without a code;
// for a full disk the text is the kernel's.
func pullError(err error) error {
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "pull model manifest: file does not exist"):
		return fmt.Errorf("%w: %w", ErrNotInRegistry, err)
	case strings.Contains(err.Error(), syscall.ENOSPC.Error()):
		return fmt.Errorf("%w: the disk is full: %w", ErrModelsFull, err)
	case strings.Contains(err.Error(), syscall.EDQUOT.Error()):
		return fmt.Errorf("%w: your quota is used up: %w", ErrModelsFull, err)
	}
	return err
}
