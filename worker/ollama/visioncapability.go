package ollama

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"

	"fluxworker/worker/prompt"
)

// visionCapability caches which of a server's models have vision. The first row with an image fills it.
type visionCapability struct {
	mu     sync.Mutex
	models map[string]bool
}

// checkVision rejects a row with images if the model has no vision. The old generation would not reject it: it gives
// the model the text "[img-0]" instead of the image, and the answer looks normal. The check stops at the deadline; the
// zero deadline means none.
func (c *Client) checkVision(ctx context.Context, deadline time.Time, r prompt.Request) error {
	hasImages := func(m prompt.Message) bool { return len(m.Images) > 0 }
	if !slices.ContainsFunc(r.Messages, hasImages) {
		return nil
	}
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	hasVision, err := c.hasVision(ctx, r.Model)
	if err != nil {
		return err
	}
	if !hasVision {
		return &RequestError{Status: http.StatusBadRequest, Code: CodeInvalidRequest,
			Message: fmt.Sprintf("the row has an image, but model %s has no vision; choose one that has, and another --output", r.Model)}
	}
	return nil
}

func (c *Client) hasVision(ctx context.Context, name string) (bool, error) {
	if hasVision, known := c.vision.of(name); known {
		return hasVision, nil
	}
	show, err := c.control().Show(ctx, &api.ShowRequest{Model: name})
	var status api.StatusError
	switch {
	case errors.As(err, &status):
		return false, c.httpError(ctx, status.StatusCode, []byte(status.ErrorMessage))
	case err != nil:
		return false, unavailable(ctx, 0, err)
	}
	hasVision := slices.Contains(show.Capabilities, model.CapabilityVision)
	c.vision.set(name, hasVision)
	return hasVision, nil
}

func (v *visionCapability) of(name string) (hasVision, known bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	hasVision, known = v.models[name]
	return hasVision, known
}

func (v *visionCapability) set(name string, hasVision bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.models == nil {
		v.models = make(map[string]bool)
	}
	v.models[name] = hasVision
}

// unreadable reports whether the message of an HTTP 500 blames the content of the row, so that a retry would fail, too:
// an image that the server cannot decode, more images than the model accepts, a text that looks like an image tag
// ("[img-7]"), or a schema that the server cannot convert to a grammar. The server sends no error code.
func unreadable(message string) bool {
	lower := strings.ToLower(message)
	return schemaAtFault(lower) ||
		strings.HasPrefix(lower, "failed to create new sequence:") && // old generation's runner: bad input
			!strings.Contains(lower, "unable to encode") || // possibly lack of memory
		strings.HasPrefix(lower, "decode webp image:") || // new generation
		strings.HasPrefix(lower, "this model only supports one image") // both generations
}
