package main

import (
	"cmp"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"fluxworker/batcher"
	"fluxworker/worker"
	"fluxworker/worker/fleet"
	"fluxworker/worker/ollama"
	"fluxworker/worker/plan"
)

// The range of --ubatch, in tokens. Below, the engine raises the number; above, compute buffers take all of a GPU and prompts
// are read no faster.
const (
	minUbatch = 32
	maxUbatch = 16_384
)

// wish returns the slots and the context that the flags ask for.
func (f *runFlags) wish() (batcher.Request, error) {
	w := batcher.Request{KVCacheType: f.kvCacheType, AllowCPULayers: f.allowCPULayers}
	if f.slots != automatic {
		n, err := strconv.Atoi(f.slots)
		most := batcher.MaxSlots
		if f.request.openai.given() {
			most = maxInFlight
		}
		if err != nil || n < 1 || n > most {
			return w, usagef("--slots is %q; it must be auto or a number from 1 to %d", f.slots, most)
		}
		w.Slots = n
	}
	if f.ubatch != automatic {
		n, err := strconv.Atoi(f.ubatch)
		if err != nil || n < minUbatch || n > maxUbatch {
			return w, usagef("--ubatch is %q; it must be auto or a number of tokens from %d to %d", f.ubatch, minUbatch, maxUbatch)
		}
		w.Ubatch = n
	}
	if f.context == automatic {
		if f.fallbackContext > 0 {
			return w, usagef("--fallback-context is %d, but --context is auto, which already takes a context that fits; leave out --fallback-context, or give --context a number", f.fallbackContext)
		}
		w.MinContext = f.minContext
		return w, nil
	}
	n, err := strconv.Atoi(f.context)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return w, usagef("--context is %q; it must be auto or a number of tokens from 1 to %d", f.context, math.MaxInt32)
	}
	w.Context = n
	w.MinContext, err = f.fallback(n)
	return w, err
}

// fallback returns the shortest context to take if not even one slot has room for the context of --context; 0 for none.
// Beside --context N, --min-context is the former spelling of --fallback-context.
func (f *runFlags) fallback(context int) (int, error) {
	flag, n := "fallback-context", f.fallbackContext
	switch {
	case n > 0 && f.minContext > 0:
		return 0, usagef("--min-context is %d and --fallback-context is %d beside --context %d; leave out --min-context, which belongs to --context auto", f.minContext, n, context)
	case n == 0:
		flag, n = "min-context", f.minContext
	}
	if n > context {
		return 0, usagef("--%s is %d; beside --context %d it must be from 0 (no fallback) to %d", flag, n, context, context)
	}
	return n, nil
}

// serverSettings returns the settings of the servers.
func (f *runFlags) serverSettings(s settings, wish batcher.Request) (fleet.Settings, error) {
	out := fleet.Settings{
		File: s.file, Device: ollama.Device(f.device), Isolate: ollama.Isolation(f.isolate), PullMissing: f.pull == "missing", LoadTimeout: f.loadTimeout,
	}
	var err error
	if f.request.openai.given() {
		if err = f.request.openai.complete(&out); err == nil {
			out.OpenAI.FindSlots = wish.Slots == 0
		}
		return out, err
	}
	// An error that no GPU can cure is reported before anything is started.
	unmeasured := wish
	unmeasured.Unchecked, unmeasured.CPU = true, f.device == string(ollama.DeviceCPU)
	if _, err := batcher.Decide(s.model, s.model.Architecture, nil, unmeasured); err != nil {
		return out, &usageError{err}
	}
	if out.Command, err = f.command(); err != nil {
		return out, err
	}
	if err := f.checkFile(s.file); err != nil {
		return out, err
	}
	out.URL = f.ollamaURL
	if out.Models, err = f.models(s.defaults.Model, s.file); err == nil && s.file == nil && f.ollamaURL == "" {
		err = checkModels(out.Models)
	}
	return out, err
}

// memoryLimits returns the limits of host memory in bytes, of each server and of all servers together; 0 is no limit.
func (f *runFlags) memoryLimits(place worker.Place) (each, all int64, err error) {
	if f.serverMemory == automatic {
		return 0, plan.MaxFleetBytes(place.Enforced), nil
	}
	each, err = parseSize(f.serverMemory, 1<<20)
	if err != nil || each < 0 {
		return 0, 0, usagef("--max-server-memory is %q; it must be auto, 0 (no limit), a size such as 16G, or a number of MiB", f.serverMemory)
	}
	return each, 0, nil
}

// answerBytes returns the memory for the answers in flight, in bytes.
func (f *runFlags) answerBytes(place worker.Place) (int64, error) {
	if f.answerMemory == automatic {
		return plan.AnswerMemory(place.Memory), nil
	}
	n, err := parseSize(f.answerMemory, 1<<20)
	if err != nil || n < ollama.MinBudget {
		return 0, usagef("--max-answer-memory is %q; it must be auto, or a size of at least %s such as 2G, or a number of MiB", f.answerMemory, sizeText(ollama.MinBudget))
	}
	return n, nil
}

// command returns the program of the server and its arguments. A path that exists is one word, with or without blanks.
func (f *runFlags) command() ([]string, error) {
	if info, err := os.Stat(f.ollama); err == nil && info.Mode().IsRegular() {
		return []string{f.ollama}, nil
	}
	command, err := ollama.SplitCommand(f.ollama)
	if err != nil {
		return nil, usagef("--ollama: %w", err)
	}
	return command, nil
}

// models returns the model folder of a server that the user would start, for a model with the given tag. A server with a scratch
// HOME would not find it. A model from a file needs no folder.
//
// Of several folders, such as a read-only store of the site and a folder of the user, it is the first that has the model; else the
// first that can be written, where a pull may put it.
func (f *runFlags) models(tag string, file *ollama.File) (string, error) {
	if file != nil {
		return "", nil
	}
	folders, err := f.modelFolders()
	if err != nil {
		return "", err
	}
	for _, folder := range folders {
		if ollama.HasModel(folder, tag) {
			return folder, nil
		}
	}
	for _, folder := range folders {
		if canBeWritten(folder) {
			return folder, nil
		}
	}
	return folders[0], nil
}

// modelFolders returns the folders of --ollama-models, or the default; there is at least one. A path that exists is one folder, with
// or without colons.
func (f *runFlags) modelFolders() ([]string, error) {
	list := cmp.Or(f.ollamaModels, os.Getenv("OLLAMA_MODELS"))
	if list == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, usagef("find the folder with Ollama's models: %w; name it with --ollama-models", err)
		}
		list = filepath.Join(home, ".ollama", "models")
	}
	folders := []string{list}
	if _, err := os.Stat(list); err != nil {
		folders = filepath.SplitList(list)
	}
	for i, folder := range folders {
		if _, err := os.Stat(folder); err != nil && f.ollamaModels != "" && f.pull == "never" {
			return nil, usagef("--ollama-models: %w; name the folder that holds Ollama's blobs and manifests", err)
		}
		var err error
		if folders[i], err = filepath.Abs(folder); err != nil {
			return nil, err
		}
	}
	return folders, nil
}

// canBeWritten reports whether this user can make files in a folder, or can make the folder.
func canBeWritten(folder string) bool {
	for {
		err := unix.Access(folder, unix.W_OK|unix.X_OK)
		if !errors.Is(err, fs.ErrNotExist) || folder == filepath.Dir(folder) {
			return err == nil
		}
		folder = filepath.Dir(folder)
	}
}

// checkModels returns an error where the folder with the models is there and cannot be read: the server would end with its
// whole log.
func checkModels(dir string) error {
	for _, path := range []string{dir, filepath.Join(dir, "manifests"), filepath.Join(dir, "blobs")} {
		if _, err := os.ReadDir(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return usagef("model folder %s (--ollama-models): %w; ask its owner to let you read it, or name another folder", dir, err)
		}
	}
	return nil
}
