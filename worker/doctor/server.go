package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"fluxworker/worker/fleet"
	"fluxworker/worker/ollama"
)

// server starts Ollama as a run would, for the GPUs if there are any, and checks its version, its isolation and its models.
func (r *report) server(ctx context.Context, c Config, gpus bool) {
	if c.Server.OpenAI != nil {
		r.openAI(ctx, c)
		return
	}
	const check = "Ollama"
	dir, err := os.MkdirTemp(c.Scratch, "fluxworker-doctor-")
	if err != nil {
		r.fail(check, "set TMPDIR to a folder that you may write to", "not tried: %v", err)
		return
	}
	defer os.RemoveAll(dir)
	settings := c.Server
	settings.ScratchRoot = dir
	if !gpus {
		settings.Device = ollama.DeviceCPU
	}
	i := fleet.Inspector{Settings: settings, LogPath: filepath.Join(dir, "server.log"), Log: zerolog.Nop()}
	trial, err := i.Try(ctx)
	switch {
	case errors.Is(err, ollama.ErrNotFound):
		r.fail(check, "fetch Ollama without root by get-ollama.sh, load its module, or name the program with --ollama", "%v", err)
		return
	case err != nil:
		r.fail(check, "the message has the end of the server's log; get-ollama.sh fetches an Ollama that is known to work", "%v", err)
		return
	}
	r.ok(check, "%s, %s, %s", trial.Version, generation(trial.Version), where(settings))
	r.isolation(settings, trial)
	r.model(c.Model, trial.Models)
}

// generation describes the generation of a version of Ollama.
func generation(version string) string {
	if ollama.OldGeneration(version) {
		return "whose own engine or runner computes"
	}
	return "whose llama-server computes"
}

func where(s fleet.Settings) string {
	switch {
	case s.URL != "":
		return "a server that runs already"
	case s.Device == ollama.DeviceCPU:
		return "tried on the CPU"
	}
	return "which found the GPU"
}

// isolation says whether the trial had namespaces of its own.
func (r *report) isolation(s fleet.Settings, trial fleet.Trial) {
	const check = "isolation"
	switch {
	case s.URL != "":
	case trial.Isolated:
		r.ok(check, "the server has namespaces of its own: no other user of the node reaches its port")
	case s.Isolate == ollama.IsolateNever:
		r.warn(check, "leave out --isolate never if the node has other users", "turned off: other users of the node can reach the server's port")
	default:
		why := errors.New("it did not start in them")
		if trial.Refused != nil {
			why = trial.Refused
		}
		r.warn(check, "docs/administrators.md says what namespaces need", "the server has no namespaces of its own, and other users of the node can reach its port: %v", why)
	}
}

// model looks for a model among those of the folder.
func (r *report) model(name string, there []string) {
	const check = "model"
	same := func(other string) bool { return other == name || other == name+":latest" }
	switch {
	case name == "" && len(there) == 0:
		r.fail(check, "fetch one with `fluxworker pull --model NAME` where there is a network", "the folder holds no model")
	case name == "":
		r.ok(check, "%d models, such as %s", len(there), strings.Join(there[:min(3, len(there))], ", "))
	case slices.ContainsFunc(there, same):
		r.ok(check, "%s is there", name)
	default:
		r.fail(check, "fetch it with `fluxworker pull --model "+name+"` where there is a network", "%s is not there", name)
	}
}
