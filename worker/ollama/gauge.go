package ollama

import (
	"context"
	"errors"
	"fmt"

	"fluxworker/worker/prompt"
)

// gaugeTokens is how many tokens a measurement takes: a second's work of a slow GPU.
const gaugeTokens = 32

// Gauge measures how fast the server generates, in tokens per second, with a request that is always the same. It says
// something about the server only while nothing else is in flight. 0 means that this model cannot be measured: it refuses
// the request or has little to say to it.
func (c *Client) Gauge(ctx context.Context, model string) (float64, error) {
	a, err := c.Ask(ctx, prompt.Request{
		Endpoint: prompt.Chat,
		Model:    model,
		Messages: []prompt.Message{{Role: "user", Content: "Count from 1 to 100, all numbers: 0"}},
		Sampling: prompt.Sampling{MaxTokens: gaugeTokens, TopP: 1},
	})
	var refused *RequestError
	switch {
	case errors.As(err, &refused):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("measure the server's speed: %w", err)
	case a.CompletionTokens < gaugeTokens/4:
		return 0, nil
	}
	return a.TokensPerSecond(), nil
}

// TokensPerSecond is how fast the answer was generated once its first token was there; 0 where it has no second one or the
// server does not tell.
func (a *Answer) TokensPerSecond() float64 {
	if a.CompletionTokens < 2 || a.Timings.Generation <= 0 {
		return 0
	}
	return float64(a.CompletionTokens-1) / a.Timings.Generation.Seconds()
}
