package worker

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"fluxworker/gpu"
	"fluxworker/worker/dispatch"
	"fluxworker/worker/fleet"
	"fluxworker/worker/input"
	"fluxworker/worker/lease"
	"fluxworker/worker/ollama"
	"fluxworker/worker/outcome"
	"fluxworker/worker/plan"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
	"fluxworker/worker/resume"
	"fluxworker/worker/slurm"
)

// Each part of a run gets the part of the Config that it needs.

// Rows returns the input of the run.
func (c Config) Rows() input.Input {
	return input.Input{Path: c.Input, Layout: c.Layout, MaxRowBytes: c.MaxRowBytes, KeepFirst: c.KeepFirst, Defaults: c.Defaults}
}

// Planner returns the planner of the servers.
func (c Config) Planner() plan.Planner {
	return plan.Planner{
		Model: c.Model, Request: c.Request, FitContext: c.FitContext, SampleTime: c.SampleTime, Input: c.Rows(),
		Device: c.Server.Device, Running: c.Server.URL != "", File: c.Server.File, Memory: c.Place.Memory,
	}
}

// LastManifest returns the manifest of the last run into the output; nil without an output or a readable manifest.
func (c Config) LastManifest() *record.Manifest {
	if c.Output == "" {
		return nil
	}
	paths, err := c.paths(result.Shard{})
	if err != nil {
		return nil
	}
	last, _ := record.ReadManifest(paths) // a plan does not need the manifest
	return last
}

// Inspector returns an Inspector for the model. The output of its server goes to the file logPath.
func (c Config) Inspector(log zerolog.Logger, logPath string) fleet.Inspector {
	return fleet.Inspector{
		Settings: c.Server, Model: c.Defaults.Model, Nearest: c.Model.Alternatives, Log: log, LogPath: logPath,
		Self: lease.Self(c.Place.name(), c.Place.Job.Restarts),
	}
}

// fleet returns the Config of the servers, for a model that Ollama has described.
func (c Config) fleet(info ollama.Info, gpus []gpu.Device, paths result.Paths) fleet.Config {
	f := fleet.Config{
		Settings: c.Server, Model: c.Defaults.Model, Info: info, GPUs: gpus, Run: paths,
		GPULayers: c.gpuLayers(info), AllowCPULayers: c.Request.AllowCPULayers, MaxRestarts: c.MaxRestarts, StallTimeout: c.StallTimeout,
		MaxServerBytes: c.MaxServerBytes, MaxFleetBytes: c.MaxFleetBytes, Enforced: c.Place.Enforced,
	}
	if f.File != nil {
		f.File, _ = f.File.For(info.Version) // the plan's warnings have the text
	}
	if !c.fitsContext() {
		f.MinContext = c.Request.MinContext
	}
	return f
}

// gpuLayers returns the number of layers that each request puts on the GPUs: all, or those of the model's YAML where the user
// allows layers on the CPU. 0 leaves the number to the server, whose owner or model has chosen it.
func (c Config) gpuLayers(info ollama.Info) int {
	on, _, partial := c.Model.PartialGPULayers()
	own := info.GPULayers != nil && *info.GPULayers >= 0 // -1 leaves the number to the server, too
	switch {
	case !c.Server.StartsOllama(), c.Server.Device == ollama.DeviceCPU, own:
		return 0
	case !c.Request.AllowCPULayers:
		return ollama.AllLayers
	case partial:
		return on
	}
	return 0
}

// fitsContext reports whether the context follows from the rows, and not from the user or the owner of the server.
func (c Config) fitsContext() bool {
	return c.FitContext && c.Server.StartsOllama()
}

// dispatch returns the Config of the Dispatcher.
func (c Config) dispatch() dispatch.Config {
	return dispatch.Config{
		RequestTimeout: c.RequestTimeout, MaxRetries: c.MaxRetries, RetryDelay: c.RetryDelay, StallTimeout: c.StallTimeout, AnswerMemory: c.AnswerMemory,
		FindSlots: c.Server.OpenAI != nil && c.Server.OpenAI.FindSlots,
	}
}

// resume returns the Config for the lines of earlier runs.
func (c Config) resume(paths result.Paths, shard result.Shard, m record.Manifest, inspect func(context.Context) (ollama.Info, error)) resume.Config {
	return resume.Config{
		OnChange: c.Results.OnChange, ResumeFrom: c.Results.ResumeFrom, Overwrite: c.Results.Overwrite, RetryFailed: c.Results.RetryFailed,
		Paths: paths, Input: c.Rows(), Shard: shard, Found: m.Input, Requests: m.Requests, Job: c.Place.name(), Restarts: c.Place.Job.Restarts,
		Inspect: inspect,
	}
}

// threads returns the number of CPU threads of each server; 0 leaves the number to the engine.
func (c Config) threads(servers int, info ollama.Info) int {
	if !c.Server.StartsOllama() {
		return 0
	}
	return plan.Threads(c.Place.Job, servers, slurm.Cores(slurm.NodeCPUs), info)
}

// paths returns the paths of the output, after checks that the output does not overwrite the input or another file. Errors:
// ConfigError.
func (c Config) paths(shard result.Shard) (result.Paths, error) {
	paths, err := result.PathsOf(c.Output, shard)
	if err != nil {
		return paths, &outcome.ConfigError{Err: err}
	}
	paths.Mode = c.Results.Mode
	if paths.Contains(c.Input) {
		of := ""
		if paths.Document != "" {
			of = " of " + paths.Document + " (as lines, in " + paths.Results + ")"
		}
		return paths, &outcome.ConfigError{Err: fmt.Errorf("input %s is where the results%s would go; choose another --output", c.Input, of)}
	}
	if err := c.Rows().CheckOutside(c.Output, "--output"); err != nil {
		return paths, err
	}
	return paths, c.checkDocument(paths)
}

// CheckFiles returns an error if a run would refuse its input or the path of its output. Both are optional; an input that can
// be read only once is not opened. Errors: InputError, ConfigError.
func (c Config) CheckFiles() error {
	if c.Output != "" {
		if _, err := c.paths(result.Shard{}); err != nil {
			return err
		}
	}
	rows := c.Rows()
	if c.Input == "" || rows.Once() {
		return nil
	}
	source, _, err := rows.Open(result.Shard{})
	if err != nil {
		return err
	}
	return source.Close()
}

// RowsLeft returns the number of rows of the input, or of the run's shard, without a line in the output, and of all rows.
// Errors: InputError, ConfigError.
func (c Config) RowsLeft() (left, all int64, _ error) {
	var shard result.Shard
	if s := c.Place.Shard; !s.Auto && s.Count > 1 {
		shard = result.Shard{Index: s.Index, Count: s.Count, Block: c.Place.ShardBlock}
		if split, err := result.Split(c.Output, nil); err == nil && split.Count == int64(s.Count) { // pinned by an earlier run
			shard.Block = int(split.Block)
		}
	}
	return plan.Left(c.Rows(), shard, c.Output, c.Results.Overwrite)
}
