package gpu

import (
	"context"
	"errors"
	"fmt"
)

// Query returns the report of this node's GPUs. It queries NVML, or nvidia-smi if this binary has no probe, the probe
// cannot run, or it finds no library. If the driver hangs, crashes or fails, nvidia-smi would fail, too, so Query
// returns the probe's error. The error wraps ErrNoDriver if neither is available.
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
	default: // the probe's error says nothing about the driver
		return Report{}, fmt.Errorf("%w (%v)", smiErr, err)
	}
}
