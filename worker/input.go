package worker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"

	"fluxworker/worker/prompt"
)

// OpenRows opens an input and makes the reader of its rows. The source is to be closed. Errors: InputError, or ConfigError
// where the options' layout does not go with the input.
func OpenRows(path string, o prompt.Options) (*prompt.Source, *prompt.Reader, error) {
	source, err := prompt.Open(path)
	if err != nil {
		return nil, nil, &InputError{Err: err}
	}
	rows, err := source.Rows(o)
	if err == nil {
		return source, rows, nil
	}
	source.Close()
	if layout, ok := errors.AsType[*prompt.LayoutError](err); ok {
		return nil, nil, &ConfigError{Err: layout}
	}
	return nil, nil, &InputError{Err: err}
}

// input is the opened input of a run.
type input struct {
	source *prompt.Source
	rows   *prompt.Reader
	print  prompt.Fingerprint
}

// tellPassedOver tells of files that are no rows.
func (in input) tellPassedOver(log zerolog.Logger) {
	if n, example := in.source.PassedOver(); n > 0 {
		log.Warn().Int64("files", n).Str("example", example).Msg("files of the input's folder are passed over: they are neither text nor image by their names")
	}
}

// isFolder tells whether an input is a folder of files.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// outsideInput refuses to write results into the folder that the rows come from: they would be rows themselves.
func outsideInput(input, output, flag string) error {
	if !isFolder(input) {
		return nil
	}
	folder, err := filepath.Abs(input)
	if err != nil {
		return err
	}
	if output, err = filepath.Abs(output); err != nil {
		return err
	}
	if path, err := filepath.Rel(withoutLinks(folder), withoutLinks(output)); err == nil && filepath.IsLocal(path) {
		return &ConfigError{Err: fmt.Errorf("%s %s is in the folder of --input, %s; choose a place outside of it", flag, output, input)}
	}
	return nil
}

// withoutLinks is an absolute path without the symbolic links in as much of it as there is.
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
