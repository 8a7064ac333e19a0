package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/batcher"
	"fluxworker/modelcfg"
	"fluxworker/worker"
	"fluxworker/worker/fleet"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
)

// allocations are those of a whole run.
type allocations struct{ Bytes, Count uint64 }

// defaults are the options of rows that set none, as run has them without flags; keys depend on them.
func defaults() prompt.Defaults {
	return prompt.Defaults{Model: "bigram", Sampling: prompt.Sampling{MaxTokens: 2048, Temperature: 0.7, TopP: 0.9, TopK: 40}}
}

// runCount is fluxworker's run in this process, whose allocations can be counted. Arguments: the server's URL, the input, and
// a folder for the results.
func runCount(args []string) error {
	if len(args) != 3 {
		return errors.New("want a URL, an input and a folder")
	}
	c := worker.Config{
		Input: args[1], MaxRowBytes: prompt.DefaultMaxRowBytes, Output: filepath.Join(args[2], "results.jsonl"),
		Defaults: defaults(),
		Model:    modelcfg.Model{Name: "bigram"},
		Request:  batcher.Request{Context: 4096, Slots: slots, KVCacheType: "f16"},
		Server:   fleet.Settings{URL: args[0], Device: ollama.DeviceAuto, Isolate: ollama.IsolateAuto, LoadTimeout: time.Minute},
		Place:    worker.Place{NoLimit: true}, RequestTimeout: 30 * time.Minute, MaxRetries: 3, MaxRestarts: 5, StallTimeout: 5 * time.Minute,
		Grace: time.Second, Results: worker.Results{SyncEvery: time.Second, SyncBytes: 8 << 20},
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	summary, err := worker.Run(context.Background(), c, zerolog.Nop(), make(chan struct{}), new(record.Counters))
	runtime.ReadMemStats(&after)
	if err == nil && !summary.Complete {
		err = fmt.Errorf("not every row was answered: %s", summary)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(allocations{Bytes: after.TotalAlloc - before.TotalAlloc, Count: after.Mallocs - before.Mallocs})
}
