package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"fluxworker/worker/lease"
	"fluxworker/worker/ollama"
	"fluxworker/worker/outcome"
)

// Inspector learns what Ollama knows of the model, and fetches the model where that is allowed, before anything is planned. It does
// so with a server that lives for this alone, sees no GPU and loads nothing: the model's own metadata decide how many slots
// the real servers get, and a server is told its slots when it starts.
type Inspector struct {
	Settings
	Model   string
	Log     zerolog.Logger
	LogPath string       // for what the server prints
	Self    lease.Holder // who we are to others that want to pull
	OnFetch func()       // called when a pull begins; nil is not called
}

// Inspect starts the server, asks and ends it. With a server that runs already it only asks. Errors: PullError; those of ollama.
func (i Inspector) Inspect(ctx context.Context) (ollama.Info, error) {
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
	info, err := i.identify(ctx, client)
	if err != nil {
		return ollama.Info{}, i.explain(server, err)
	}
	return info, nil
}

// start starts the server, unless one runs already. What it started is returned with an error, too.
func (i Inspector) start(ctx context.Context) (*ollama.Server, error) {
	if i.URL != "" {
		return nil, nil
	}
	isolate := i.Isolate
	if i.PullMissing {
		isolate = ollama.IsolateNever // a pull needs the network
	}
	server, err := ollama.Start(i.Command, ollama.Settings{
		Models: i.Models, File: i.File, Slots: 1, Context: 1, Device: ollama.DeviceCPU, LoadTimeout: i.LoadTimeout, Isolate: isolate,
	}, i.ScratchRoot, i.LogPath)
	if err != nil {
		return nil, err
	}
	ctx, cancel := loading(ctx, i.LoadTimeout)
	defer cancel()
	return server, server.WaitListening(ctx, ollama.DeviceCPU)
}

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

// identify learns the server's version and what it knows of the model.
func (i Inspector) identify(ctx context.Context, client *ollama.Client) (ollama.Info, error) {
	bounded, cancel := loading(ctx, i.LoadTimeout)
	defer cancel()
	version, err := client.WaitAnswering(bounded)
	if err != nil {
		return ollama.Info{}, because(bounded, err)
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
		info.Digest = i.File.Digest // the server's is of its manifest, which depends on its version, too
	}
	return info, because(bounded, err)
}

// explain adds to a failure what the researcher can do about it, or what the server's log says.
func (i Inspector) explain(server *ollama.Server, err error) error {
	var pull *PullError
	if errors.As(err, &pull) || errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, ollama.ErrModelMissing) {
		where := i.Models
		if i.URL != "" {
			where = redacted(i.URL)
		}
		return fmt.Errorf("model %q is not in %s: %w; run `fluxworker pull --model %s` where there is a network (the login node), or add --pull missing",
			i.Model, where, ollama.ErrModelMissing, i.Model)
	}
	return serverError(server, i.URL, err)
}

// serverError is a failed preparation, with the end of the log of a server of our own.
func serverError(server *ollama.Server, url string, err error) error {
	if server == nil {
		return &ollama.ServerError{Op: "prepare server " + redacted(url), Err: err}
	}
	return server.Failed("prepare server", err)
}
