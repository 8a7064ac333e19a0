//go:build !fluxworker_probe

package gpu

// embedded is the probe: none in a plain "go build", which needs no C compiler. nvidia-smi is asked instead.
func embedded() []byte { return nil }
