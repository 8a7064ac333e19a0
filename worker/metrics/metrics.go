// Package metrics writes the numbers of a run to a file in the text format of Prometheus, for the textfile collector of the node
// exporter.
//
// Invariants: a reader finds either the old or the new content, complete; everyone may read the file; no port is opened; nothing of
// a row is in the file.
package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"fluxworker/worker/record"
	"fluxworker/worker/safeopen"
)

// Every is the time between two writes of a run: the usual time between two scrapes of Prometheus.
const Every = 15 * time.Second

// mode is the mode of the file, whatever the umask: the node exporter is another user, and no number is private.
const mode = 0o644

// Labels tell the runs of a cluster apart. Empty labels are left out.
type Labels struct {
	Output string // base name of the output
	Job    string // SLURM's job ID
	Array  string // task of the job array
	Shard  string
	Host   string
}

// State is what a run writes about itself.
type State struct {
	Labels
	Version  string
	Model    string
	Attempt  int            // from 1
	Rows     int64          // of this run's part of the input; 0 where unknown
	Restarts int64          // of servers, in this attempt
	Now      record.Moment  // numbers of this attempt
	Summary  record.Summary // of this attempt so far
	Ended    bool           // the attempt is over
}

// beginning is the beginning of each file that this package writes.
const beginning = "# HELP " + prefix

// Check returns an error if Write could not write the file: its folder is missing, or the path leads to something that no run
// wrote as its metrics.
func Check(path string) error {
	f, err := safeopen.Named(path)
	if err == nil {
		defer f.Close()
		head, err := io.ReadAll(io.LimitReader(f, int64(len(beginning))))
		if err != nil {
			return err
		}
		if len(head) > 0 && string(head) != beginning {
			return errors.New("the file is there, and it holds no metrics of fluxworker; name another file, or remove this file")
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	safeopen.RemoveDrafts(path) // left by kills
	draft, err := safeopen.Draft(path, mode)
	if cause, ok := errors.AsType[*fs.PathError](err); ok {
		err = cause.Err // the name of the draft says nothing to the user
	}
	if err != nil {
		return fmt.Errorf("%w; make the folder, or name a file in a folder that you may write to", err)
	}
	draft.Close()
	return os.Remove(draft.Name())
}

// Write replaces the file at path by the state of a run. It does not sync the file: after a power failure the state is of no use.
func Write(path string, s State) error {
	var content bytes.Buffer
	s.write(&content)
	draft, err := safeopen.Draft(path, mode)
	if err != nil {
		return err
	}
	_, err = draft.Write(content.Bytes())
	err = errors.Join(err, draft.Chmod(mode), draft.Close())
	if err == nil {
		err = os.Rename(draft.Name(), path)
	}
	if err != nil {
		os.Remove(draft.Name()) // a full disk needs the space
	}
	return err
}
