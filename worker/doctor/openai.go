package doctor

import (
	"context"
	"errors"

	"github.com/rs/zerolog"

	"fluxworker/worker/fleet"
	"fluxworker/worker/ollama"
)

// openAI asks a running server of OpenAI's API for its models.
func (r *report) openAI(ctx context.Context, c Config) {
	const check = "server"
	i := fleet.Inspector{Settings: c.Server, Model: c.Model, Log: zerolog.Nop()}
	info, err := i.Inspect(ctx)
	switch {
	case errors.Is(err, ollama.ErrModelMissing):
		r.ok(check, "%s answers", c.Server.Address())
		r.fail("model", "give the name that the server uses to --model", "%v", err)
	case err != nil:
		r.fail(check, "start the server there, or correct --openai-url and --openai-key-file", "%v", err)
	default:
		r.ok(check, "%s answers; it calls itself %q", c.Server.Address(), info.Engine)
		r.ok("model", "%s is there", c.Model)
	}
}
