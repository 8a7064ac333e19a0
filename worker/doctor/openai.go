package doctor

import (
	"context"
	"errors"
	"os/exec"

	"github.com/rs/zerolog"

	"fluxworker/worker/fleet"
	"fluxworker/worker/ollama"
)

// openAI asks a running server of OpenAI's API for its models, or looks for the program that a run would start.
func (r *report) openAI(ctx context.Context, c Config) {
	const check = "server"
	if c.Server.URL == "" {
		if path, err := exec.LookPath(c.Server.Command[0]); err != nil {
			r.fail(check, "load the module or activate the environment that has the program, or give its path in --server-command", "%v", err)
		} else {
			r.ok(check, "%s is there; it was not started, since its start loads the model", path)
		}
		return
	}
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
