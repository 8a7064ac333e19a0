package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// slots is how many a server has, unless a figure says otherwise.
	slots = 32
	// longAnswer ends prompts that are answered with the whole alphabet.
	longAnswer = '9'
)

// job is one run of fluxworker over rows, to its end.
type job struct {
	input rows
	url   string   // of the server
	slots int      // of the server
	more  []string // arguments
}

// usage is what a process took. Peak is the resident set's, in bytes.
type usage struct {
	began, ended time.Time
	cpu          time.Duration
	peak         int64
}

// summary is what is read of a run's own.
type summary struct {
	OK        int  `json:"rows_ok"`
	Complete  bool `json:"complete"`
	TokensIn  int  `json:"tokens_in"`
	TokensOut int  `json:"tokens_out"`
}

// ran is a run that came to its end with an answer for every row.
type ran struct {
	usage
	summary
	InFlight int // rows at once
}

func (b *bench) run(ctx context.Context, j job) (ran, error) {
	var r ran
	input, err := b.input(j.input)
	if err != nil {
		return r, err
	}
	dir, drop, err := b.folder("run-")
	if err != nil {
		return r, err
	}
	defer drop()
	args := append([]string{
		"run", "--model", "bigram", "--input", input, "--output", filepath.Join(dir, "results.jsonl"), "--ollama-url", j.url,
		"--batch-size", strconv.Itoa(j.slots), "--progress", "none",
	}, j.more...)
	if r.usage, err = b.process(ctx, dir, b.fluxworker, args...); err != nil {
		return r, err
	}
	var manifest struct {
		Plan struct {
			InFlight int `json:"in_flight"`
		}
	}
	err = errors.Join(readJSON(filepath.Join(dir, "results.run", "summary.json"), &r.summary), readJSON(filepath.Join(dir, "results.run", "manifest.json"), &manifest))
	r.InFlight = manifest.Plan.InFlight
	if err == nil && (!r.Complete || r.OK != j.input.count) {
		err = fmt.Errorf("%d of %d rows were answered", r.OK, j.input.count)
	}
	return r, err
}

// process runs a program to its end, which must be a good one.
func (b *bench) process(ctx context.Context, dir, program string, args ...string) (usage, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	var output bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = dir, environment("TMPDIR="+b.scratch), &output
	u := usage{began: time.Now()}
	err := cmd.Run()
	u.ended = time.Now()
	if err != nil {
		return u, errors.Join(fmt.Errorf("%s %s: %w", filepath.Base(program), args[0], err), tail(output.Bytes()))
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	u.peak = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	return u, nil
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
