//go:build !fluxworker_probe

package gpu

// embedded returns nil: a plain "go build", which needs no C compiler, has no probe. nvidia-smi is queried instead.
func embedded() ([]byte, error) { return nil, ErrNoProbe }
