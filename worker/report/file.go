package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"fluxworker/worker/outcome"
	"fluxworker/worker/result"
	"fluxworker/worker/safeopen"
)

// marker is the start of every report. A report replaces a file that begins with it, and no other file.
const marker = "<!DOCTYPE html>\n<html lang=\"en\" class=\"fluxworker-report\">"

// The modes of a file with and without texts of rows.
const (
	modeText   fs.FileMode = 0o600 // prompts and answers may be private
	modeNoText fs.FileMode = 0o644
)

// checkTarget returns an error if something other than a report is at the path: a file of the output may be empty. Errors: ConfigError.
func checkTarget(path string, parts []result.Part) error {
	f, err := safeopen.Named(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &outcome.ConfigError{Err: fmt.Errorf("replace the report: %w", err)}
	}
	defer f.Close()
	start := make([]byte, len(marker))
	n, err := io.ReadFull(f, start)
	inOutput := slices.ContainsFunc(parts, func(p result.Part) bool { return p.Paths.Contains(path) })
	if n > 0 && string(start[:n]) != marker || inOutput {
		return &outcome.ConfigError{Err: fmt.Errorf("%s exists and is not a report; name another file with --to", path)}
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return &outcome.ConfigError{Err: fmt.Errorf("replace the report: %w", err)}
	}
	return nil
}

// mode returns the mode of the report before the umask.
func (c Config) mode() fs.FileMode {
	switch {
	case c.Mode != 0:
		return c.Mode
	case c.NoText:
		return modeNoText
	}
	return modeText
}

// writePage writes the page to a draft, and renames the draft. Of two reports to one file at the same time, the later removes the
// draft of the earlier, so that a killed report leaves nothing forever. Errors: result.WriteError.
func writePage(c Config, p page) error {
	safeopen.RemoveDrafts(c.To)
	draft, err := safeopen.Draft(c.To, c.mode())
	if err != nil {
		return &result.WriteError{Path: c.To, Err: err}
	}
	out := bufio.NewWriterSize(draft, 1<<16)
	err = layout().Execute(out, p)
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = draft.Sync()
	}
	if closeErr := draft.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(draft.Name(), c.To)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, missing := os.Stat(filepath.Dir(c.To)); missing == nil {
			err = errors.New("another report to this file has started")
		}
	}
	if err != nil {
		os.Remove(draft.Name())
		return &result.WriteError{Path: c.To, Err: err}
	}
	return nil
}
