package result

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// ownerFile names the output that owns a run folder: results.txt and results.dat would also have the folder
// results.run.
const ownerFile = "output.json"

// owner identifies an output by the extension of its results file. The rest of the name is the folder's and changes
// with it.
type owner struct {
	Ending string `json:"results_ending"`
}

// OwnedError means that the run folder of an output belongs to another output.
type OwnedError struct {
	Output, Owner string // results paths of the two outputs
	File          string // path of the owner file
}

func (e *OwnedError) Error() string {
	return fmt.Sprintf("output %s: its folder %s belongs to the output %s; use that output, or choose an --output whose name differs in more than the extension (if %s does not exist any more, remove %s)",
		e.Output, filepath.Dir(e.File), e.Owner, e.Owner, e.File)
}

// Claim makes this output the owner of its run folder. p must be a whole output, not a shard. If several processes try
// at the same time, one succeeds. It returns an *OwnedError if another output owns the folder, or a *WriteError.
func (p Paths) Claim() error {
	if err := p.create(); err != nil {
		return err
	}
	var there owner
	if err := p.Pin(ownerFile, owner{filepath.Ext(p.Results)}, &there); err != nil {
		return p.unknownOwner(err)
	}
	return p.owned(there)
}

// checkOwner returns an *OwnedError if the run folder belongs to another output. It writes nothing.
func (p Paths) checkOwner() error {
	var there owner
	err := p.ReadJSON(ownerFile, &there)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return p.unknownOwner(err)
	}
	return p.owned(there)
}

// unknownOwner adds the way out to the error of a damaged owner file. Nobody but the user knows which output the folder
// belongs to.
func (p Paths) unknownOwner(err error) error {
	if damaged, ok := errors.AsType[*RecordError](err); ok && damaged.Damaged {
		return fmt.Errorf("%w; the file names the output that the folder belongs to: if that is %s, remove the file and run the same command again", err, p.Results)
	}
	return err
}

// owned returns an *OwnedError unless there names this output.
func (p Paths) owned(there owner) error {
	if there.Ending == filepath.Ext(p.Results) {
		return nil
	}
	return &OwnedError{Output: p.Results, Owner: strings.TrimSuffix(p.Run, filepath.Ext(p.Run)) + there.Ending, File: p.In(ownerFile)}
}
