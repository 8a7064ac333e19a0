package worker

import (
	"context"
	"errors"
	"fmt"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// serve waits for the first pending row, starts the servers for it, and keeps their slots full until no row is left.
func (r *run) serve(intake, requests context.Context, paths result.Paths, m manifest) error {
	first, ok := r.next(intake)
	if !ok {
		return nil
	}
	server, err := r.start(intake, paths, &m)
	defer server.stop()
	if err != nil {
		if intake.Err() != nil {
			return nil // a signal during the start, or the input is lost; the row stays undone
		}
		return err
	}
	if err := result.WriteJSON(paths.In("manifest.json"), m); err != nil {
		return err
	}
	r.counts.startClock()
	return r.fanOut(intake, requests, []*member{server}, first)
}

// next takes a pending row unless intake is over.
func (r *run) next(intake context.Context) (prompt.Row, bool) {
	if intake.Err() != nil {
		return prompt.Row{}, false // select would choose by chance
	}
	select {
	case row, ok := <-r.pending:
		return row, ok
	case <-intake.Done():
		return prompt.Row{}, false
	}
}

// start brings a server to the point where answers come. What it started is returned with an error, too, and is to be
// stopped.
func (r *run) start(ctx context.Context, paths result.Paths, m *manifest) (*member, error) {
	started := &member{name: r.Server.URL, slots: r.Slots}
	url := r.Server.URL
	var err error
	if url == "" {
		if started.server, err = r.launch(ctx, paths); err != nil {
			return started, err
		}
		url = started.server.URL()
		started.name = url
	}
	if started.client, err = ollama.NewClient(url, inFlight(r.Slots), r.Context); err != nil {
		return started, &ConfigError{Err: err}
	}
	if err := r.prepare(ctx, started.client, m); err != nil {
		return started, r.startError(started.server, err)
	}
	return started, nil
}

func (r *run) launch(ctx context.Context, paths result.Paths) (*ollama.Server, error) {
	ctx, cancel := r.loading(ctx)
	defer cancel()
	r.log.Info().Strs("command", r.Server.Command).Int("slots", r.Slots).Int("context", r.Context).
		Str("device", string(r.Server.Device)).Msg("starting server")
	server, err := ollama.Start(r.Server.Command, ollama.Settings{
		Models: r.Server.Models, Slots: r.Slots, Context: r.Context, Device: r.Server.Device, LoadTimeout: r.Server.LoadTimeout,
	}, r.Server.ScratchRoot, paths.In("server.log"))
	if err != nil {
		return nil, err
	}
	return server, server.WaitListening(ctx, r.Server.Device)
}

// loading bounds one step of the start. A pull is outside of it: it takes what the network takes.
func (r *run) loading(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, r.Server.LoadTimeout, fmt.Errorf("not done within %s (--load-timeout)", r.Server.LoadTimeout))
}

// prepare checks the version, finds or fetches the model, loads it and gets a first answer.
func (r *run) prepare(ctx context.Context, client *ollama.Client, m *manifest) error {
	if err := r.identify(ctx, client, m); err != nil {
		return err
	}
	ctx, cancel := r.loading(ctx)
	defer cancel()
	r.log.Info().Str("ollama", m.Server.Version).Str("model", r.Defaults.Model).Str("parameters", m.Server.Parameters).
		Str("quantization", m.Server.Quantization).Msg("loading model")
	err := client.Load(ctx, r.Defaults.Model)
	if err == nil {
		err = client.Prove(ctx, r.Defaults.Model)
	}
	if err != nil {
		return because(ctx, err)
	}
	r.log.Info().Msg("server ready")
	return nil
}

// identify learns the server's version and what it knows of the model, and fetches the model where that is allowed.
func (r *run) identify(ctx context.Context, client *ollama.Client, m *manifest) error {
	bounded, cancel := r.loading(ctx)
	defer cancel()
	version, err := client.WaitAnswering(bounded)
	if err != nil {
		return because(bounded, err)
	}
	m.Server, err = client.Describe(bounded, r.Defaults.Model)
	if errors.Is(err, ollama.ErrModelMissing) && r.Server.PullMissing {
		if err := client.Pull(ctx, r.Defaults.Model, r.pullProgress()); err != nil {
			return err
		}
		m.Server, err = client.Describe(ctx, r.Defaults.Model)
	}
	m.Server.Version = version
	return because(bounded, err)
}

// because puts the reason why a context ended in front of the error that came of it.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// startError adds to a failed start what the researcher can do about it, or what the server's log says.
func (r *run) startError(server *ollama.Server, err error) error {
	if errors.Is(err, ollama.ErrModelMissing) {
		where := r.Server.Models
		if r.Server.URL != "" {
			where = r.Server.URL
		}
		return fmt.Errorf("model %q is not in %s: %w; run `ollama pull %s` where there is a network, or add --pull missing",
			r.Defaults.Model, where, ollama.ErrModelMissing, r.Defaults.Model)
	}
	if server == nil {
		return &ollama.ServerError{Op: "prepare server " + r.Server.URL, Err: err}
	}
	return server.Failed("prepare server", err)
}

// pullProgress logs a line for each tenth of a layer.
func (r *run) pullProgress() func(status string, done, total int64) {
	var last string
	return func(status string, done, total int64) {
		if total > 0 {
			status = fmt.Sprintf("%s %d %%", status, 10*(10*done/total))
		}
		if status != last {
			r.log.Info().Str("model", r.Defaults.Model).Msg("pull: " + status)
			last = status
		}
	}
}
