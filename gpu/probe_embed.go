//go:build fluxworker_probe

package gpu

import (
	_ "embed"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

//go:embed probe.bin.zst
var probeBin []byte

// embedded returns the probe, which "make build" has put into this folder, compressed. Its unpacking takes some milliseconds, and
// a probe starts each few seconds at most, so no copy stays in memory.
func embedded() ([]byte, error) {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	bin, err := r.DecodeAll(probeBin, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack the embedded probe: %w", err)
	}
	return bin, nil
}
