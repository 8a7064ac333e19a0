package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fluxworker/test/build"
)

// bench holds the state that the figures share.
type bench struct {
	size       size
	fluxworker string            // the program that is measured
	self       string            // this one
	scratch    string            // a folder of ours
	templates  map[string]string // files with a request as fluxworker sends it, by fluxworker's arguments
}

func prepare(o options) (*bench, error) {
	b := &bench{size: o.size, fluxworker: o.fluxworker, templates: make(map[string]string)}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if b.fluxworker == "" {
		if b.fluxworker, err = build.Program(); err != nil {
			return nil, err
		}
	}
	if b.fluxworker, err = filepath.Abs(b.fluxworker); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp(o.scratch, "fluxworker-bench-")
	if err != nil {
		return nil, err
	}
	b.scratch, err = filepath.Abs(scratch)
	return b, err
}

func (b *bench) close() { os.RemoveAll(b.scratch) }

// say tells how far it is.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// path is that of a file in the scratch folder.
func (b *bench) path(name string) string { return filepath.Join(b.scratch, name) }

// folder makes an empty folder in the scratch folder; drop removes it with all that is in it then.
func (b *bench) folder(pattern string) (path string, drop func(), err error) {
	path, err = os.MkdirTemp(b.scratch, pattern)
	return path, func() { os.RemoveAll(path) }, err
}

// input makes rows in the scratch folder, once.
func (b *bench) input(r rows) (string, error) {
	if r.texts != nil {
		path := b.path("texts.jsonl")
		return path, r.file(path)
	}
	path := b.path(fmt.Sprintf("rows-%d-%d-%c-%t.jsonl", r.count, r.bytes, r.last, r.embed))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, r.file(path)
}

// requestTemplate is a file with one request, byte for byte as fluxworker sends it.
func (b *bench) requestTemplate(ctx context.Context, args ...string) (string, error) {
	key := strings.Join(args, " ")
	if path, ok := b.templates[key]; ok {
		return path, nil
	}
	s, err := b.standIn(ctx, slots, "--record-bodies")
	if err != nil {
		return "", err
	}
	defer s.stop()
	if _, err := b.run(ctx, job{input: rows{count: 1, bytes: shortRow, last: longAnswer}, url: s.url, slots: slots, more: args}); err != nil {
		return "", err
	}
	record, err := s.stop()
	if err != nil {
		return "", err
	}
	if len(record.Bodies) != 1 {
		return "", fmt.Errorf("the stand-in saw %d requests, want 1", len(record.Bodies))
	}
	path := b.path(fmt.Sprintf("request-%d.json", len(b.templates)))
	if err := os.WriteFile(path, record.Bodies[0], 0o600); err != nil {
		return "", err
	}
	b.templates[key] = path
	return path, nil
}

// environment is ours without what would steer fluxworker or a server.
func environment(more ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "FLUXWORKER_") && !strings.HasPrefix(name, "SLURM_") && !strings.HasPrefix(name, "OLLAMA_") && name != "GOMAXPROCS" {
			env = append(env, v)
		}
	}
	return append(env, more...)
}

// tail is the end of what a program printed, for an error.
func tail(text []byte) error {
	const most = 2000
	if len(text) > most {
		text = text[len(text)-most:]
	}
	return errors.New(strings.TrimSpace(string(text)))
}
