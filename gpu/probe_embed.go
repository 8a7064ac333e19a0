//go:build fluxworker_probe

package gpu

import _ "embed"

//go:embed probe.bin
var probeBin []byte

// embedded returns the probe, which "make build" has put into this folder.
func embedded() []byte { return probeBin }
