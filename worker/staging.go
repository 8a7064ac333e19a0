package worker

import (
	"context"

	"github.com/rs/zerolog"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/stage"
)

// stage reads the model's files ahead of the first servers that load them (--stage).
func (p *passes) stage(ctx context.Context, host batcher.Host) {
	c := p.run.config
	if p.staged || c.Stage == "" || c.Stage == stage.Never || !c.Server.StartsOllama() {
		return
	}
	p.staged = true
	files, err := c.modelFiles()
	if err != nil {
		level := zerolog.DebugLevel // whether auto would read them is unknown
		if c.Stage == stage.Always {
			level = zerolog.WarnLevel
		}
		p.run.log.WithLevel(level).Err(err).Msg("the model's files are not read ahead (--stage)")
		return
	}
	tasks := int64(max(1, c.Place.Job.Step.LocalTasks)) // they share the node's page cache
	held := host.Unreclaimable()
	if c.Server.Device == ollama.DeviceCPU {
		held -= host.Model // the model's pages are those of its files
	}
	stage.Ahead(ctx, stage.Config{
		When: c.Stage, Files: files, Held: tasks * held, Limit: tasks * int64(c.Place.Memory.Bytes), Scratch: c.Server.ScratchRoot,
	}, p.run.log)
}

// modelFiles returns the paths of the model's files.
func (c Config) modelFiles() ([]string, error) {
	file := c.Server.File
	switch {
	case file == nil:
		return ollama.ModelFiles(c.Server.Models, c.Defaults.Model)
	case file.Projector == "":
		return []string{file.Path}, nil
	}
	return []string{file.Path, file.Projector}, nil
}
