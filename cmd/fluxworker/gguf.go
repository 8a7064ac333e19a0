package main

import (
	"github.com/spf13/pflag"

	"fluxworker/modelcfg"
	"fluxworker/worker/ollama"
)

// fileFlags are the flags of a model in a file.
type fileFlags struct {
	gguf      string
	projector string
}

func (f *fileFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.gguf, "gguf", "", "GGUF `FILE` of the model, which then need not be in a model folder; --model gives it another name and the settings of that name (default: the file's name)")
	flags.StringVar(&f.projector, "gguf-projector", "", "GGUF `FILE` beside --gguf that encodes images (often called mmproj)")
}

// resolve returns the settings of the model and, if it comes from a file, the file.
func (f *fileFlags) resolve(name, config string) (modelcfg.Model, *ollama.File, []modelcfg.Problem, error) {
	fail := func(warnings []modelcfg.Problem, err error) (modelcfg.Model, *ollama.File, []modelcfg.Problem, error) {
		return modelcfg.Model{}, nil, warnings, &usageError{err}
	}
	if f.gguf == "" {
		if f.projector != "" {
			return fail(nil, usagef("--gguf-projector is %s, but --gguf is missing: name the file of the model", f.projector))
		}
		model, warnings, err := modelcfg.Resolve(name, config)
		if err != nil || model.GGUF == "" {
			return model, nil, warnings, asUsage(err)
		}
		file, err := ollama.OpenFile(model.GGUF, model.GGUFProjector, model.Name)
		return model, file, warnings, asUsage(err)
	}
	if name == "" && config == "" {
		file, err := ollama.OpenFile(f.gguf, f.projector, "")
		if err != nil {
			return fail(nil, err)
		}
		name = file.Name
	}
	model, warnings, err := modelcfg.ResolveFile(name, config, f.gguf, f.projector)
	if err != nil {
		return fail(warnings, err)
	}
	file, err := ollama.OpenFile(model.GGUF, model.GGUFProjector, model.Name)
	return model, file, warnings, asUsage(err)
}

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}

// checkFile refuses flags that contradict a model file.
func (f *runFlags) checkFile(file *ollama.File) error {
	switch {
	case file == nil:
		return nil
	case f.ollamaURL != "":
		return usagef("the model is the file %s, but --ollama-url names a running server with its own models; leave out one of them", file.Path)
	case f.pull == "missing":
		return usagef("--pull missing cannot fetch the model file %s; leave out --pull", file.Path)
	}
	return nil
}
