package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ownerFile says in the run folder of a whole output which one that is: results.txt and results.dat, too, would have the
// folder results.run.
const ownerFile = "output.json"

// owner is an output by the ending of its results: all else of its name is that of the folder, and changes with it.
type owner struct {
	Ending string `json:"results_ending"`
}

// OwnedError means that an output's run folder belongs to another output.
type OwnedError struct {
	Output, Owner string // the results of the two
	File          string // that says so
}

func (e *OwnedError) Error() string {
	return fmt.Sprintf("output %s: its folder would be %s, which belongs to the output %s; name that one where it is meant, else choose an --output whose name differs in more than the ending (where there is no %s any more, remove %s)",
		e.Output, filepath.Dir(e.File), e.Owner, e.Owner, e.File)
}

// Claim makes the run folder this output's own, unless it is another's; p is a whole output, not a shard. Of several that try
// at the same time one succeeds. Errors: OwnedError, or a WriteError where the folder cannot be written.
func (p Paths) Claim() error {
	if err := p.create(); err != nil {
		return err
	}
	data, err := p.Pin(ownerFile, owner{filepath.Ext(p.Results)})
	if err != nil {
		return err
	}
	return p.owned(data)
}

// checkOwner is an OwnedError where a whole output's run folder is another's. It writes nothing.
func (p Paths) checkOwner() error {
	data, err := os.ReadFile(p.In(ownerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look whose %s is: %w", p.Run, err)
	}
	return p.owned(data)
}

// owned is an OwnedError unless the content of the owner's file names this output.
func (p Paths) owned(data []byte) error {
	var there owner
	if err := json.Unmarshal(data, &there); err != nil {
		return fmt.Errorf("read %s: %w; it tells whose the folder is, remove it if that is %s", p.In(ownerFile), err, p.Results)
	}
	if there.Ending == filepath.Ext(p.Results) {
		return nil
	}
	return &OwnedError{Output: p.Results, Owner: strings.TrimSuffix(p.Run, filepath.Ext(p.Run)) + there.Ending, File: p.In(ownerFile)}
}
