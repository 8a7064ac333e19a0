package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/rs/zerolog"

	"fluxworker/worker/lease"
	"fluxworker/worker/ollama"
	"fluxworker/worker/outcome"
)

// Inspector asks Ollama about the model, and fetches a missing model if the user allowed it, before anything is planned. It
// uses a server of its own that sees no GPU and loads nothing: the number of slots follows from the model's metadata, and a
// server gets its number of slots at its start.
type Inspector struct {
	Settings
	Model   string
	Nearest []string // similar models that the catalog knows, for messages
	Log     zerolog.Logger
	LogPath string       // the file for the server's output
	Self    lease.Holder // this process, for other processes that want to pull
	OnFetch func()       // called when a pull begins; nil is not called
}

// Inspect starts a server, asks it about the model, and ends it. A server that runs already is only asked. Errors: PullError;
// ConfigError for the URL; those of ollama.
func (i Inspector) Inspect(ctx context.Context) (ollama.Info, error) {
	if i.OpenAI != nil {
		return i.inspectOpenAI(ctx)
	}
	server, err := i.start(ctx)
	if server != nil {
		defer server.Stop()
	}
	if err != nil {
		return ollama.Info{}, err
	}
	client, err := i.client(server)
	if err != nil {
		return ollama.Info{}, err
	}
	defer client.Close()
	bounded, cancel := bound(ctx, server)
	defer cancel()
	info, err := i.identify(bounded, client)
	if err != nil {
		return ollama.Info{}, i.explain(ctx, client, server, endOf(ctx, bounded, err))
	}
	return info, nil
}

// start starts the server; nil where a server runs already. It returns a started server also with an error.
func (i Inspector) start(ctx context.Context) (*ollama.Server, error) {
	if i.URL != "" {
		return nil, nil
	}
	isolate := i.Isolate
	if i.PullMissing {
		isolate = ollama.IsolateNever // a pull needs the network
		os.MkdirAll(i.Models, 0o755)  // a container sees the folder only if it exists; fetch reports an error
	}
	ctx, cancel := loading(ctx, i.LoadTimeout)
	defer cancel()
	return listening(ctx, i.Command, ollama.Settings{
		Models: i.Models, File: i.File, Slots: 1, Context: 1, Device: ollama.DeviceCPU, LoadTimeout: i.LoadTimeout, Isolate: isolate,
	}, i.ScratchRoot, i.LogPath, i.Log)
}

// client returns a client of the server; of the server that runs already where server is nil.
func (i Inspector) client(server *ollama.Server) (*ollama.Client, error) {
	if server != nil {
		return ollama.NewClientVia(server.Address(), server.Dial, 1, ollama.Runner{Context: 1}), nil
	}
	client, err := ollama.NewClient(i.URL, 1, ollama.Runner{Context: 1})
	if err != nil {
		return nil, &outcome.ConfigError{Err: err}
	}
	return client, nil
}

// identify asks the server for its version and its knowledge of the model.
func (i Inspector) identify(ctx context.Context, client *ollama.Client) (ollama.Info, error) {
	bounded, cancel := loading(ctx, i.LoadTimeout)
	defer cancel()
	version, err := client.WaitAnswering(bounded)
	if err != nil {
		return ollama.Info{}, withCause(bounded, err)
	}
	info, err := client.Describe(bounded, i.Model)
	if errors.Is(err, ollama.ErrModelMissing) && i.PullMissing {
		if err := i.fetch(ctx, client); err != nil {
			return ollama.Info{}, err
		}
		info, err = client.Describe(ctx, i.Model)
	}
	info.Version = version
	if i.File != nil {
		info.Digest = i.File.Digest // the server's digest is that of its manifest, which also depends on its version
	}
	return info, withCause(bounded, err)
}

// explain adds a remedy to an error, or the end of the server's log.
func (i Inspector) explain(ctx context.Context, client *ollama.Client, server *ollama.Server, err error) error {
	var pull *PullError
	if errors.As(err, &pull) || errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, ollama.ErrModelMissing) {
		return i.missing(ctx, client)
	}
	return serverError(server, i.URL, err)
}

// missing returns the error for a model that the server lacks. It names the models that are there, and similar models.
func (i Inspector) missing(ctx context.Context, client *ollama.Client) error {
	where := i.Models
	if i.URL != "" {
		where = ollama.PublicAddress(i.URL)
	}
	ctx, cancel := loading(ctx, i.LoadTimeout)
	defer cancel()
	others := ""
	switch there, err := client.Models(ctx); {
	case err != nil: // the missing model is the error to report
	case len(there) == 0:
		others = "; no other model is there"
	case len(there) > maxNamed:
		others = fmt.Sprintf("; there are %d other models, such as %s", len(there), strings.Join(there[:maxNamed], ", "))
	default:
		others = "; the models there are " + strings.Join(there, ", ")
	}
	return fmt.Errorf("model %q is not in %s: %w; run `fluxworker pull --model %s` where there is a network (the login node), or add --pull missing%s%s",
		i.Model, where, ollama.ErrModelMissing, i.Model, others, nearestText(i.Nearest))
}

// maxNamed is the largest number of models that a message names.
const maxNamed = 10

// nearestText completes a message about a model that may be misspelt; empty without similar models.
func nearestText(nearest []string) string {
	if len(nearest) == 0 {
		return ""
	}
	return "; the nearest known models are " + strings.Join(nearest, ", ")
}

// serverError returns the error of a failed preparation, with the end of the server's log. A nil server runs already, at url.
func serverError(server *ollama.Server, url string, err error) error {
	if server == nil {
		return &ollama.ServerError{Op: "prepare server " + ollama.PublicAddress(url), Err: err}
	}
	return server.Failed("prepare server", err)
}
