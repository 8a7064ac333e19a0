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

// sight knows which of a server's models can see. It asks when the first row with an image comes.
type sight struct {
	mu     sync.Mutex
	models map[string]bool
}

// checkSight refuses a row with images where the model cannot see. The old generation would not: it gives such a model
// the text "[img-0]" in the image's place, and the answer looks like any other.
// To ask for that may take until the deadline, which may be zero.
func (c *Client) checkSight(ctx context.Context, deadline time.Time, r prompt.Request) error {
	hasImages := func(m prompt.Message) bool { return len(m.Images) > 0 }
	if !slices.ContainsFunc(r.Messages, hasImages) {
		return nil
	}
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	sees, err := c.sees(ctx, r.Model)
	if err != nil {
		return err
	}
	if !sees {
		return &RequestError{Status: http.StatusBadRequest, Code: CodeInvalidRequest,
			Message: fmt.Sprintf("the row has an image, but model %s has no vision; choose one that has, and another --output", r.Model)}
	}
	return nil
}

func (c *Client) sees(ctx context.Context, name string) (bool, error) {
	if sees, known := c.sight.of(name); known {
		return sees, nil
	}
	show, err := c.control().Show(ctx, &api.ShowRequest{Model: name})
	var status api.StatusError
	switch {
	case errors.As(err, &status):
		return false, c.refusal(ctx, status.StatusCode, []byte(status.ErrorMessage))
	case err != nil:
		return false, unavailable(ctx, 0, err)
	}
	sees := slices.Contains(show.Capabilities, model.CapabilityVision)
	c.sight.set(name, sees)
	return sees, nil
}

func (s *sight) of(name string) (sees, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sees, known = s.models[name]
	return sees, known
}

func (s *sight) set(name string, sees bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.models == nil {
		s.models = make(map[string]bool)
	}
	s.models[name] = sees
}

// unreadable knows the messages of HTTP 500 by which the generations refuse what is in a row, and would again: an image
// that they cannot decode, more images than the model takes, a text that looks like the mark of an image ("[img-7]"), a
// schema that they make no grammar of.
// None gives a code.
func unreadable(message string) bool {
	lower := strings.ToLower(message)
	return strings.Contains(lower, "invalid json schema in format") || // the old generation, of a schema beyond it
		strings.HasPrefix(lower, "failed to create new sequence:") && // its runner, about its input
			!strings.Contains(lower, "unable to encode") || // which may be for want of memory
		strings.HasPrefix(lower, "decode webp image:") || // the new generation
		strings.HasPrefix(lower, "this model only supports one image") // both
}
