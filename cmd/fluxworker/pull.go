package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fluxworker/batcher"
	"fluxworker/modelcfg"
	"fluxworker/worker"
	"fluxworker/worker/fleet"
	"fluxworker/worker/ollama"
	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/slurm"
)

// pullFlags are the flags of run that name the model and its folder.
type pullFlags struct{ run runFlags }

func pullCommand() *cobra.Command {
	var f pullFlags
	cmd := &cobra.Command{
		Use:   "pull --model NAME",
		Short: "Fetch a model on a machine with a network",
		Long: `pull fetches a model into the folder from which run takes models. Use it on the login node, since compute nodes often have no
network. It starts an Ollama server only for this task and needs no GPU. If the model is already there, pull does nothing.

Before pull fetches a layer, it compares the size with the free space of the file system. Only some file systems show a quota
there. On the others the write that exceeds the quota fails, and the error says so.

If several tasks pull into one folder, on any node, one task pulls and the others wait. An interrupted pull continues where
it stopped.

Exit codes: 0 if the model is there, 75 after a signal, 82 if the network or the server failed, 84 if the folder is full or
not writable, 85 if the registry does not have the model.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.pull(cmd.Context(), cmd.Flags()) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.SetNormalizeFunc(canonicalName)
	flags.StringVar(&f.run.request.model, "model", "", "`NAME` of the model to fetch")
	flags.StringVar(&f.run.request.modelConfig, "model-config", "", "YAML `FILE` with the settings of the model, which may name another tag to fetch")
	f.run.registerOllama(flags)
	f.run.registerLog(flags)
	return cmd
}

func (f *pullFlags) pull(ctx context.Context, flags *pflag.FlagSet) error {
	console, err := newConsole("none", f.run.logLevel, f.run.logFormat)
	if err != nil {
		return err
	}
	env, err := readDotenv(console.log)
	if err != nil {
		return err
	}
	if err := env.apply(flags, console.log); err != nil {
		return err
	}
	config, err := f.config(console)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, endingSignals()...)
	defer stop()
	config.Server.ScratchRoot = scratchRoot(console.log)
	dir, err := os.MkdirTemp(config.Server.ScratchRoot, "fluxworker-pull-")
	if err != nil {
		return &fleet.PullError{Model: config.Defaults.Model, Dir: config.Server.Models, Err: err}
	}
	defer os.RemoveAll(dir)
	info, present, err := config.Inspector(console.log, filepath.Join(dir, "server.log")).Pull(ctx)
	if errors.Is(err, outcome.ErrStopped) {
		return errPullEnded
	}
	if err != nil {
		return err
	}
	what := "was fetched into"
	if present {
		what = "is already in"
	}
	_, err = printf(os.Stdout, "model %s (%s) %s %s\n", config.Defaults.Model, batcher.Size(info.WeightsBytes), what, config.Server.Models)
	return err
}

func (f *pullFlags) config(console *console) (c worker.Config, err error) {
	if f.run.request.model == "" && f.run.request.modelConfig == "" {
		return c, usagef("--model is missing: name the model to fetch (\"fluxworker models\" lists models with known settings)")
	}
	if err := f.run.checkLoadTimeout(); err != nil {
		return c, err
	}
	model, warnings, err := modelcfg.Resolve(f.run.request.model, f.run.request.modelConfig)
	for _, w := range warnings {
		console.log.Warn().Msg(w.String())
	}
	if err != nil {
		return c, &usageError{err}
	}
	c.Model, c.Defaults = model, prompt.Defaults{Model: model.Tag()}
	c.Server = fleet.Settings{Device: ollama.DeviceCPU, LoadTimeout: f.run.loadTimeout}
	f.run.pull = "missing" // pull makes a missing folder
	if c.Server.Command, err = f.run.command(); err != nil {
		return c, err
	}
	if c.Server.Models, err = f.run.models(model.Tag(), nil); err != nil {
		return c, err
	}
	if c.Place.Job, err = slurm.FromEnviron(os.Environ()); err != nil {
		return c, &usageError{err}
	}
	return c, nil
}
