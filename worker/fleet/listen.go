package fleet

import (
	"context"
	"errors"

	"github.com/rs/zerolog"

	"fluxworker/worker/ollama"
)

// listening starts a server and waits until it listens, and has a GPU unless its device is the CPU. With IsolateAuto, a server
// in namespaces that ends before it listens, or finds no GPU, is started once more without namespaces: a container may need
// rights, and a driver may need files, that namespaces take away. It returns a started server also with an error.
func listening(ctx context.Context, command []string, s ollama.Settings, scratchRoot, logPath string, log zerolog.Logger) (*ollama.Server, error) {
	server, err := ollama.Start(command, s, scratchRoot, logPath)
	if err != nil {
		return nil, err
	}
	err = server.WaitListening(ctx, s.Device)
	if err == nil || s.Isolate != ollama.IsolateAuto || !server.Isolated() || ctx.Err() != nil || errors.Is(err, ollama.ErrSettings) {
		return server, err
	}
	server.Stop()
	// The second start replaces the log of the first.
	log.Warn().Err(ollama.WithLastLine(err)).
		Msg("the server does not start in namespaces of its own; starting it once more without them, where other users of this node can reach its port (--isolate never does so at once)")
	s.Isolate = ollama.IsolateNever
	return listening(ctx, command, s, scratchRoot, logPath, log)
}
