// Package input opens the rows of a run. Every reader of the input, or of a sample, opens it through an Input, so that all
// readers find the same rows with the same names.
package input

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// Prefetched is the number of parsed rows that wait, so that no slot waits for the parser.
const Prefetched = 64

// Input is the input of a run, with the options of its readers.
type Input struct {
	Path        string          // of a file or folder, or prompt.Stdin
	Layout      prompt.Layout   // the place of the prompts in a table or a folder
	MaxRowBytes int             // a longer row gets an error line
	KeepFirst   bool            // of rows with the same custom_id only the first counts
	Defaults    prompt.Defaults // the model's name, and options that a row may override
}

// Options returns the options for a reader of a shard; the zero shard means all rows.
func (in Input) Options(shard result.Shard) prompt.Options {
	return prompt.Options{
		Layout: in.Layout, MaxRowBytes: in.MaxRowBytes, Defaults: in.Defaults, KeepFirst: in.KeepFirst,
		Shards: prompt.Shards{Count: int64(shard.Count), Block: int64(shard.Block)}, Shard: int64(shard.Index),
	}
}

// Open opens the rows of a shard. The caller closes the source. Errors: InputError, or ConfigError where the layout does
// not go with the input.
func (in Input) Open(shard result.Shard) (*prompt.Source, *prompt.Reader, error) {
	return in.OpenWith(in.Options(shard))
}

// OpenNames opens the rows of a shard, but reads only their names. Errors: those of Open.
func (in Input) OpenNames(shard result.Shard) (*prompt.Source, *prompt.Reader, error) {
	o := in.Options(shard)
	o.NamesOnly = true
	return in.OpenWith(o)
}

// OpenWith opens the rows with these options. The caller closes the source. Errors: those of Open.
func (in Input) OpenWith(o prompt.Options) (*prompt.Source, *prompt.Reader, error) {
	source, err := prompt.Open(in.Path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; check --input and the folder that the command runs in", err)
	}
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

// Rereadable reports whether the input exists and can be read more than once: a regular file, a folder, or Parquet files.
func (in Input) Rereadable() bool {
	if prompt.IsPattern(in.Path) {
		return true
	}
	info, err := os.Stat(in.Path)
	return in.Path != prompt.Stdin && err == nil && (info.Mode().IsRegular() || info.IsDir())
}

// Once reports whether the input can be read only once: standard input, a pipe or a device. A missing input is neither
// Rereadable nor Once.
func (in Input) Once() bool {
	info, err := os.Stat(in.Path)
	return in.Path == prompt.Stdin || err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// CheckOutside returns a ConfigError if the output is inside the input, a folder, or has a name of the input's pattern: the results
// would be rows themselves. flag names the output in the message.
func (in Input) CheckOutside(output, flag string) error {
	if fits, _ := filepath.Match(filepath.Clean(in.Path), filepath.Clean(output)); fits && prompt.IsPattern(in.Path) {
		return &outcome.ConfigError{Err: fmt.Errorf("%s %s has a name that the pattern of --input, %s, takes for a part of the input; choose another name", flag, output, in.Path)}
	}
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

// withoutLinks resolves the symbolic links in the part of an absolute path that exists.
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
