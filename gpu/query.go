package gpu

import (
	"context"
	"errors"
	"fmt"
)

// Query reports the GPUs of this node: by NVML, or by nvidia-smi where this binary holds no probe, the probe cannot run
// or finds no library. Where the driver hangs, crashes or refuses, nvidia-smi would do the same, and the probe's error
// stands. It wraps ErrNoDriver where there is neither.
func Query(ctx context.Context) (Report, error) {
	return query(ctx, Probe{}.Report, querySMI)
}

type ask func(context.Context) (Report, error)

func query(ctx context.Context, probe, smi ask) (Report, error) {
	report, err := probe(ctx)
	var start *StartError
	if err == nil || !errors.Is(err, ErrNoProbe) && !errors.Is(err, ErrNoDriver) && !errors.As(err, &start) {
		return report, err
	}
	report, smiErr := smi(ctx)
	switch {
	case smiErr == nil:
		return report, nil
	case errors.Is(err, ErrNoDriver):
		return Report{}, fmt.Errorf("%w; %w", err, smiErr)
	default: // the probe has said nothing about the driver
		return Report{}, fmt.Errorf("%w (%v)", smiErr, err)
	}
}
