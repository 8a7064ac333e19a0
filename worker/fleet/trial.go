package fleet

import (
	"context"

	"fluxworker/worker/ollama"
)

// Trial is what the start of a server without a model has shown.
type Trial struct {
	Version  string   // of Ollama
	Isolated bool     // the server had namespaces of its own
	Refused  error    // why not, where they failed before the server started; else nil
	Models   []string // the names of the models in its folder
}

// Try starts a server for the device of a run, asks it for its version and its models, and ends it. A server that runs already is
// only asked. Errors: ConfigError for the URL; those of ollama.
func (i Inspector) Try(ctx context.Context) (Trial, error) {
	ctx, cancel := loading(ctx, i.LoadTimeout)
	defer cancel()
	var server *ollama.Server
	if i.URL == "" {
		var err error
		server, err = listening(ctx, i.Command, ollama.Settings{
			Models: i.Models, Slots: 1, Context: 1, Device: i.Device, LoadTimeout: i.LoadTimeout, Isolate: i.Isolate,
		}, i.ScratchRoot, i.LogPath, i.Log)
		if server != nil {
			defer server.Stop()
		}
		if err != nil {
			return Trial{}, err
		}
	}
	client, err := i.client(server)
	if err != nil {
		return Trial{}, err
	}
	defer client.Close()
	var t Trial
	if server != nil {
		t.Isolated, t.Refused = server.Isolated(), server.IsolationRefused()
	}
	bounded, end := bound(ctx, server)
	defer end()
	if t.Version, err = client.WaitAnswering(bounded); err == nil {
		t.Models, err = client.Models(bounded)
	}
	if err != nil {
		return t, i.explain(ctx, client, server, endOf(ctx, bounded, withCause(ctx, err)))
	}
	return t, nil
}
