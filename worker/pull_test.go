package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/fleet"
	"fluxworker/worker/lease"
	"fluxworker/worker/ollama"
	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
)

// Of several runs that need the same missing model, as the tasks of an array do, one pulls it. The others log the process
// that they wait for, and find the model then.
func TestOneOfManyPulls(t *testing.T) {
	t.Parallel()
	first, _ := config(t, 1)
	models := t.TempDir()
	const runs = 4
	var all sync.WaitGroup
	logs := make([]bytes.Buffer, runs)
	for i := range runs {
		c, _ := config(t, 3, "--pull-step", "300ms", "--pull-layers", "4000,8")
		c.Defaults.Model, c.Model.Name = "new:1b", "new:1b"
		c.Server.Models, c.Server.PullMissing = models, true
		all.Go(func() {
			s, err := Run(t.Context(), c, zerolog.New(&logs[i]), nil, new(record.Counters))
			if err != nil || s.OK != 3 {
				t.Errorf("run %d: %+v, %v", i, s, err)
			}
		})
	}
	all.Wait()
	pulled, err := os.ReadFile(filepath.Join(models, "fakeollama-pulled"))
	if err != nil || string(pulled) != "new:1b\n" {
		t.Errorf("pulled %q, %v; want it once", pulled, err)
	}
	pulling, waiting := 0, 0
	for i := range logs {
		switch text := logs[i].String(); {
		case strings.Contains(text, "pull: pulling manifest"):
			pulling++
		case strings.Contains(text, "another process pulls into this folder") && strings.Contains(text, fmt.Sprintf("process %d on", os.Getpid())):
			waiting++
		}
	}
	if pulling != 1 || waiting != runs-1 {
		t.Errorf("%d runs pulled and %d waited, want 1 and %d", pulling, waiting, runs-1)
	}
	// Another server than that of the pull finds the model.
	first.Defaults.Model, first.Server.Models = "new:1b", models
	if _, present, err := first.Inspector(zerolog.Nop(), filepath.Join(t.TempDir(), "log")).Pull(t.Context()); err != nil || !present {
		t.Errorf("a pull of a model that is there: present %t, %v", present, err)
	}
}

// The lock of a process that died in the middle of its pull holds up no other pull.
func TestADeadPullerIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	c, recordFile := config(t, 1)
	c.Defaults.Model = "new:1b"
	dead := fmt.Sprintf(`{"host":"here","pid":%d,"node":%q,"began":"1","nonce":"x"}`, os.Getpid(), lease.Self("", 0).Node)
	if err := os.WriteFile(filepath.Join(c.Server.Models, fleet.PullLock+"000004"), []byte(dead), 0o600); err != nil {
		t.Fatal(err)
	}
	_, present, err := c.Inspector(zerolog.Nop(), filepath.Join(t.TempDir(), "log")).Pull(t.Context())
	if err != nil || present || readRecord(t, recordFile).Pulls != 1 {
		t.Errorf("present %t, %v", present, err)
	}
}

// A signal ends a pull, and the wait for the pull of another process.
func TestAPullCanBeStopped(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 1, "--pull-step", "1m")
	c.Defaults.Model = "new:1b"
	ctx, cancel := context.WithCancel(t.Context())
	log := &onLine{text: "pull: pulling", do: cancel}
	if _, _, err := c.Inspector(zerolog.New(log), filepath.Join(t.TempDir(), "log")).Pull(ctx); !errors.Is(err, outcome.ErrStopped) {
		t.Errorf("its own: %v, want ErrStopped", err)
	}
	held, err := lease.Acquire(t.Context(), lease.Options{Dir: c.Server.Models, Prefix: fleet.PullLock, Mode: 0o600, Self: lease.Self("", 0), Stale: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	ctx, cancel = context.WithCancel(t.Context())
	log = &onLine{text: "another process pulls", do: cancel}
	if _, _, err := c.Inspector(zerolog.New(log), filepath.Join(t.TempDir(), "log")).Pull(ctx); !errors.Is(err, outcome.ErrStopped) {
		t.Errorf("another's: %v, want ErrStopped", err)
	}
}

// A model that the registry does not have, and a folder that cannot be written, give errors other than a failing server.
func TestPullErrors(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 1, "--pull-error", "pull model manifest: file does not exist")
	c.Defaults.Model = "new:1b"
	var pull *fleet.PullError
	if _, _, err := c.Inspector(zerolog.Nop(), filepath.Join(t.TempDir(), "log")).Pull(t.Context()); !errors.As(err, &pull) || !errors.Is(err, ollama.ErrNotInRegistry) {
		t.Errorf("got %v, want a PullError for ErrNotInRegistry", err)
	}
	c, _ = config(t, 1)
	c.Defaults.Model = "new:1b"
	c.Server.Models = filepath.Join(c.Input, "models")
	var file *lease.FileError
	if _, _, err := c.Inspector(zerolog.Nop(), filepath.Join(t.TempDir(), "log")).Pull(t.Context()); !errors.As(err, &pull) || !errors.As(err, &file) {
		t.Errorf("got %v, want a PullError for the folder", err)
	}
}
