package ollama

import (
	"context"
	"fmt"
	"strings"
	"syscall"

	"github.com/ollama/ollama/api"
)

// PullStep is what a server tells while it fetches a model: one layer after the other, the weights usually first.
type PullStep struct {
	Status string
	Layer  string // the digest of the layer that is under way; empty between layers
	// Done and Total are bytes of this layer; Total is 0 where the step is none of a layer. Done counts what an earlier
	// pull has left.
	Done, Total int64
}

// Pull fetches the model into the server's folder. Each step is handed to follow, whose error ends the pull. What has been
// fetched until then stays, and the next pull goes on from there.
//
// Errors: ErrNotInRegistry, ErrModelsFull, the one of follow, the context's, or that of the network.
func (c *Client) Pull(ctx context.Context, model string, follow func(PullStep) error) error {
	return pullError(c.control().Pull(ctx, &api.PullRequest{Model: model}, func(p api.ProgressResponse) error {
		return follow(PullStep{Status: p.Status, Layer: p.Digest, Done: p.Completed, Total: p.Total})
	}))
}

// pullError names the reasons that a person can do something about. They come as text inside HTTP 200, without a code; the
// words of a full disk are the kernel's.
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
