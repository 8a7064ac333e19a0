package ollama

import (
	"context"
	"errors"
	"fmt"

	"fluxworker/worker/prompt"
)

// speedTokens is the length in tokens of the answer that Gauge requests: about one second of work for a slow GPU.
const speedTokens = 32

// Gauge measures the generation speed of the server in tokens per second. It always sends the same request. The result
// is valid only if no other request is in flight. The result is 0 if the model cannot be measured: it rejects the
// request or gives too short an answer.
func (c *Client) Gauge(ctx context.Context, model string) (float64, error) {
	a, err := c.Ask(ctx, prompt.Request{
		Endpoint: prompt.Chat,
		Model:    model,
		Messages: []prompt.Message{{Role: "user", Content: "Count from 1 to 100, all numbers: 0"}},
		Sampling: prompt.Sampling{MaxTokens: speedTokens, TopP: 1},
	})
	var refused *RequestError
	switch {
	case errors.As(err, &refused):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("measure the server's speed: %w", err)
	case a.CompletionTokens < speedTokens/4:
		return 0, nil
	}
	return a.TokensPerSecond(), nil
}

// TokensPerSecond returns the generation speed after the first token, in tokens per second. It returns 0 if the answer
// has fewer than two tokens or the server reports no duration.
func (a *Answer) TokensPerSecond() float64 {
	if a.CompletionTokens < 2 || a.Timings.Generation <= 0 {
		return 0
	}
	return float64(a.CompletionTokens-1) / a.Timings.Generation.Seconds()
}
