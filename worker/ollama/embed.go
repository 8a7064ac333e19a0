package ollama

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"fluxworker/worker/json"
	"fluxworker/worker/prompt"
)

// embedding returns the body of a request to /api/embed.
func (c *Client) embedding(r *prompt.Request) *embedRequest {
	return &embedRequest{Model: r.Model, Input: r.Embedding.Input, Dimensions: r.Embedding.Dimensions, Options: c.runner.options()}
}

// vectors decodes a response of /api/embed. If the row asks for more dimensions than the model has, the server silently
// returns the model's own number; vectors returns a *RequestError then.
func (c *Client) vectors(ctx context.Context, status int, data []byte, e *prompt.Embedding) (*Answer, error) {
	var n struct {
		Embeddings [][]float32   `json:"embeddings"`
		Total      time.Duration `json:"total_duration"`
		Load       time.Duration `json:"load_duration"`
		Tokens     int           `json:"prompt_eval_count"`
	}
	if err := json.Unmarshal(data, &n); err != nil {
		return nil, unavailable(ctx, status, fmt.Errorf("the answer is not JSON: %w", err))
	}
	if len(n.Embeddings) != len(e.Input) {
		return nil, unavailable(ctx, status, fmt.Errorf("the answer is incomplete: %d vectors for %d texts", len(n.Embeddings), len(e.Input)))
	}
	for _, v := range n.Embeddings {
		if len(v) == 0 {
			return nil, unavailable(ctx, status, fmt.Errorf("the answer has an empty vector"))
		}
		if e.Dimensions > len(v) {
			return nil, &RequestError{Status: http.StatusBadRequest, Code: CodeInvalidRequest,
				Message: fmt.Sprintf("the row asks for %d dimensions, but the model's vectors have %d", e.Dimensions, len(v))}
		}
	}
	return &Answer{Vectors: n.Embeddings, PromptTokens: n.Tokens, Timings: Timings{Total: n.Total, Load: n.Load}}, nil
}
