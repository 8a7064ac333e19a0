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
	data, err := p.Pin(ownerFile, owner{filepath.Ext(p.Results)})
	if err != nil {
		return err
	}
	return p.owned(data)
}

// checkOwner returns an *OwnedError if the run folder belongs to another output. It writes nothing.
func (p Paths) checkOwner() error {
	data, err := os.ReadFile(p.In(ownerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the owner of %s: %w", p.Run, err)
	}
	return p.owned(data)
}

// owned returns an *OwnedError unless data, the content of the owner file, names this output.
func (p Paths) owned(data []byte) error {
	var there owner
	if err := json.Unmarshal(data, &there); err != nil {
		return fmt.Errorf("read %s: %w; it names the owner of the folder, remove it if the owner is %s", p.In(ownerFile), err, p.Results)
	}
	if there.Ending == filepath.Ext(p.Results) {
		return nil
	}
	return &OwnedError{Output: p.Results, Owner: strings.TrimSuffix(p.Run, filepath.Ext(p.Run)) + there.Ending, File: p.In(ownerFile)}
}
