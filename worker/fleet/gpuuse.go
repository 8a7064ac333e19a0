package fleet

import (
	"slices"
	"time"

	"fluxworker/gpu"
	"fluxworker/worker/record"
)

// maxXIDs limits the list of a GPU's critical errors in the summary; the log has all of them.
const maxXIDs = 100

// powerSpan is the shortest time between two samples whose energy gives a power: the counter moves in steps.
const powerSpan = time.Second

// watchedGPU is one GPU of the run, with the samples of the watch.
type watchedGPU struct {
	gpu.Device             // at the start of the run
	last       *gpu.Device // in the last sample
	at         time.Time   // of the last sample
	watts      *float64    // see record.GPUMoment
	peak       uint64      // memory in use, in bytes
	busy       float64     // sum of the samples' utilisation, in percent
	samples    int         // with a utilisation
	lost       bool
	xids       []uint64
}

// add adds one sample, and reports whether the GPU computes.
func (g *watchedGPU) add(d gpu.Device, at time.Time) bool {
	g.watts = g.power(d, at)
	g.last, g.at = &d, at
	g.peak = max(g.peak, d.Memory.Used)
	if d.Load.Utilisation == nil {
		return false
	}
	g.busy += float64(*d.Load.Utilisation)
	g.samples++
	return *d.Load.Utilisation > 0
}

// power returns the mean power since the last sample, or else the driver's reading, in watts; nil where neither is known.
func (g *watchedGPU) power(d gpu.Device, at time.Time) *float64 {
	var watts float64
	from, to, span := g.energy(), d.Load.EnergyMJ, at.Sub(g.at)
	switch {
	case from != nil && to != nil && *to >= *from && span >= powerSpan:
		watts = float64(*to-*from) / 1000 / span.Seconds()
	case d.Load.PowerMW != nil:
		watts = float64(*d.Load.PowerMW) / 1000
	default:
		return nil
	}
	return &watts
}

// energy returns the last state of the energy counter, in millijoules; nil where the driver does not report it.
func (g *watchedGPU) energy() *uint64 {
	if g.last == nil {
		return nil
	}
	return g.last.Load.EnergyMJ
}

// Uses returns the use of each GPU since the watch began.
func (w *GPUWatch) Uses() []record.GPUUse {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := w.ended
	if end.IsZero() {
		end = time.Now()
	}
	var uses []record.GPUUse
	for _, g := range w.gpus {
		use := record.GPUUse{UUID: g.UUID, Name: g.Name, Hours: end.Sub(w.began).Hours(), PeakMemoryBytes: g.peak, Lost: g.lost, XIDs: slices.Clone(g.xids)}
		if g.samples > 0 {
			mean := g.busy / float64(g.samples)
			use.MeanUtilisation = &mean
		}
		if from, to := g.Load.EnergyMJ, g.energy(); from != nil && to != nil && *to >= *from {
			joules := float64(*to-*from) / 1000
			wh := joules / 3600
			use.Joules, use.WattHours = &joules, &wh
		}
		uses = append(uses, use)
	}
	return uses
}

// Moments returns the last sample of each GPU. It leaves out lost GPUs, and GPUs without a sample.
func (w *GPUWatch) Moments() []record.GPUMoment {
	w.mu.Lock()
	defer w.mu.Unlock()
	var moments []record.GPUMoment
	for _, g := range w.gpus {
		if g.lost || g.last == nil {
			continue
		}
		m := record.GPUMoment{UUID: g.UUID, UsedBytes: g.last.Memory.Used, TotalBytes: g.last.Memory.Total, Watts: g.watts}
		if u := g.last.Load.Utilisation; u != nil {
			percent := float64(*u)
			m.Utilisation = &percent
		}
		moments = append(moments, m)
	}
	return moments
}
