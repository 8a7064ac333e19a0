package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// slots is the number of slots of a server, unless a figure says otherwise.
	slots = 32
	// longAnswer ends prompts that are answered with the whole alphabet.
	longAnswer = '9'
)

// job is one run of fluxworker over rows, to its end.
type job struct {
	input rows
	pipe  bool // the rows come through standard input as they are made, and not from a file
	url   string
	slots int
	more  []string // arguments; without a url they say where servers come from
	env   []string
}

// args are the command line for results in a folder.
func (j job) args(input, dir string) []string {
	args := []string{"run", "--model", "bigram", "--input", input, "--output", filepath.Join(dir, resultsFile), "--batch-size", strconv.Itoa(j.slots), "--progress", "none"}
	if j.url != "" {
		args = append(args, "--ollama-url", j.url)
	}
	return append(args, j.more...)
}

// resultsFile is the name of the outputs.
const resultsFile = "results.jsonl"

// usage holds the time and memory of a process. Peak is the resident set's, in bytes.
type usage struct {
	began, ended time.Time
	cpu          time.Duration
	peak         int64
}

// summary holds the part of a run's summary that the figures read.
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

// run makes the rows and runs fluxworker over them. Every row must be answered.
func (b *bench) run(ctx context.Context, j job) (ran, error) {
	var r ran
	dir, drop, err := b.folder("run-")
	if err != nil {
		return r, err
	}
	defer drop()
	p := process{dir: dir, program: b.fluxworker, env: j.env}
	if j.pipe {
		from, to := io.Pipe()
		defer from.Close()
		go func() { to.CloseWithError(j.input.write(to)) }() // ends with from
		p.args, p.input = j.args("-", dir), from
	} else {
		input, err := b.input(j.input)
		if err != nil {
			return r, err
		}
		p.args = j.args(input, dir)
	}
	if r.usage, err = b.process(ctx, p); err != nil {
		return r, err
	}
	var manifest struct {
		Plan struct {
			InFlight int `json:"in_flight"`
		}
	}
	err = errors.Join(readJSON(filepath.Join(dir, "results.run", "summary.json"), &r.summary),
		readJSON(filepath.Join(dir, "results.run", "manifest.json"), &manifest))
	r.InFlight = manifest.Plan.InFlight
	if err == nil && (!r.Complete || r.OK != j.input.count) {
		err = fmt.Errorf("%d of %d rows were answered", r.OK, j.input.count)
	}
	return r, err
}

// process is a program to be run to its end.
type process struct {
	dir     string
	program string
	args    []string
	env     []string // beside ours
	input   io.Reader
	code    int // with which it must end
}

func (b *bench) process(ctx context.Context, p process) (usage, error) {
	cmd := exec.CommandContext(ctx, p.program, p.args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	var output bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stderr = p.dir, environment(append(p.env, "TMPDIR="+b.scratch)...), p.input, &output
	u := usage{began: time.Now()}
	var err error
	u.peak, err = runWithPeak(cmd)
	u.ended = time.Now()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != p.code {
		return u, errors.Join(fmt.Errorf("%s %s: %w", filepath.Base(p.program), p.args[0], err), tail(output.Bytes()))
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return u, nil
}

// took is the process's whole life.
func (u usage) took() time.Duration { return u.ended.Sub(u.began) }

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
