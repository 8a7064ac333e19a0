// Package input opens the rows of a run. Everything that reads the input, or a sample of it, reads it through one Input, so
// that each of them finds the same rows under the same names.
package input

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// Prefetched is how many rows wait parsed, so that no slot waits for the parser.
const Prefetched = 64

// Input is the place of the rows, and how they are read.
type Input struct {
	Path        string          // of a file or folder, or prompt.Stdin
	Layout      prompt.Layout   // where a table or a folder has its prompts
	MaxRowBytes int             // rows longer than this become error lines
	KeepFirst   bool            // of rows with the same custom_id only the first counts
	Defaults    prompt.Defaults // the model's name and the options that a row may override
}

// Options returns the options of a reader of a shard; the zero shard is all rows.
func (in Input) Options(shard result.Shard) prompt.Options {
	return prompt.Options{
		Layout: in.Layout, MaxRowBytes: in.MaxRowBytes, Defaults: in.Defaults, KeepFirst: in.KeepFirst,
		Shard: int64(shard.Index), Shards: int64(shard.Count),
	}
}

// Open opens the rows of a shard. The caller closes the source. Errors: InputError, or ConfigError where the layout does
// not go with the input.
func (in Input) Open(shard result.Shard) (*prompt.Source, *prompt.Reader, error) {
	return in.open(in.Options(shard))
}

// OpenNames opens the rows of a shard for their names alone.
func (in Input) OpenNames(shard result.Shard) (*prompt.Source, *prompt.Reader, error) {
	o := in.Options(shard)
	o.NamesOnly = true
	return in.open(o)
}

func (in Input) open(o prompt.Options) (*prompt.Source, *prompt.Reader, error) {
	source, err := prompt.Open(in.Path)
	if err != nil {
		return nil, nil, &outcome.InputError{Err: err}
	}
	rows, err := source.Rows(o)
	if err == nil {
		return source, rows, nil
	}
	source.Close()
	if layout, ok := errors.AsType[*prompt.LayoutError](err); ok {
		return nil, nil, &outcome.ConfigError{Err: layout}
	}
	return nil, nil, &outcome.InputError{Err: err}
}

// Rereadable reports whether the input can be read more than once: a file or a folder that is there.
func (in Input) Rereadable() bool {
	info, err := os.Stat(in.Path)
	return in.Path != prompt.Stdin && err == nil && (info.Mode().IsRegular() || info.IsDir())
}

// Once reports whether the input can be read only once: standard input, a pipe or a device. An input that is not there is
// neither Rereadable nor Once.
func (in Input) Once() bool {
	info, err := os.Stat(in.Path)
	return in.Path == prompt.Stdin || err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// CheckOutside returns a ConfigError where the output would be written into the folder of the input: the results would be
// rows themselves. flag names the output in the message.
func (in Input) CheckOutside(output, flag string) error {
	if info, err := os.Stat(in.Path); err != nil || !info.IsDir() {
		return nil
	}
	folder, err := filepath.Abs(in.Path)
	if err != nil {
		return err
	}
	absolute, err := filepath.Abs(output)
	if err != nil {
		return err
	}
	if path, err := filepath.Rel(withoutLinks(folder), withoutLinks(absolute)); err == nil && filepath.IsLocal(path) {
		return &outcome.ConfigError{Err: fmt.Errorf("%s %s is in the folder of --input, %s; choose a place outside of it", flag, absolute, in.Path)}
	}
	return nil
}

// withoutLinks returns an absolute path without the symbolic links in the part of it that exists.
func withoutLinks(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	dir := filepath.Dir(path)
	if dir == path {
		return path
	}
	return filepath.Join(withoutLinks(dir), filepath.Base(path))
}
