package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/gpu"
	"fluxworker/worker/record"
)

// sampleEvery is the time between two samples of the GPUs. A sample costs some ten milliseconds of one core.
const sampleEvery = 10 * time.Second

// maxXIDs is how many critical errors of a GPU are kept; the log has them all.
const maxXIDs = 100

// watched is one GPU of the run as the monitor has seen it.
type watched struct {
	gpu.Device // as it was at the start
	last       *gpu.Device
	peak       uint64
	busy       float64 // sum of the samples' utilisation, in percent
	samples    int
	lost       bool
	xids       []uint64
}

// monitor watches the run's GPUs: what they do, for the summary, and whether they are still there.
type monitor struct {
	gpus   []*watched
	began  time.Time
	onBusy func(gpu.Device)        // it computes
	onHurt func(gpu.Device, error) // the servers on it are lost and can be started again
	onLost func(gpu.Device, error) // the GPU is of no use any more
}

// WatchGPUs looks at the run's GPUs until the returned function is called, which waits for it and takes the last look. A
// server whose GPU is lost is ended, so that its rows go to the others; one that lost what it had there is started again.
func (f *Fleet) WatchGPUs() (stop func() []record.GPUUse) {
	if len(f.config.GPUs) == 0 {
		return func() []record.GPUUse { return nil }
	}
	w := &monitor{
		began:  time.Now(),
		onBusy: func(d gpu.Device) { markBusy(d, f.now()) },
		onHurt: func(d gpu.Device, cause error) { f.endServersOf(d, cause, false) },
		onLost: func(d gpu.Device, cause error) { f.endServersOf(d, cause, true) },
	}
	for _, d := range f.config.GPUs {
		w.gpus = append(w.gpus, &watched{Device: d})
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.watch(ctx, f.log)
	}()
	return func() []record.GPUUse {
		cancel()
		<-ended
		last, done := context.WithTimeout(context.Background(), sampleEvery)
		defer done()
		w.sample(last) // for the end of the energy counter
		return w.uses()
	}
}

// watch takes a sample now and then, and heeds critical errors as the driver reports them.
func (w *monitor) watch(ctx context.Context, log zerolog.Logger) {
	xids := make(chan gpu.XID)
	blind := make(chan struct{}, 1)
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		err := gpu.Probe{}.Watch(ctx, func(x gpu.XID) {
			log.Error().Str("gpu", x.UUID).Uint64("xid", x.Code).Msg("the driver reports a critical error of a GPU")
			select {
			case xids <- x:
			case <-ctx.Done():
			}
		})
		if err != nil { // a GPU may be lost; or there are no events here, and the samples have to do
			log.Debug().Err(err).Msg("no critical errors are reported any more")
			blind <- struct{}{}
		}
	}()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		w.sample(ctx)
		select {
		case <-tick.C:
		case x := <-xids:
			w.heed(x)
		case <-blind:
		case <-ctx.Done():
			<-listening
			return
		}
	}
}

// heed draws the consequence of a critical error. It may be another job's GPU that has it.
func (w *monitor) heed(x gpu.XID) {
	for _, g := range w.gpus {
		if !x.Hits(g.Device) {
			continue
		}
		if len(g.xids) < maxXIDs {
			g.xids = append(g.xids, x.Code)
		}
		if g.lost {
			continue
		}
		switch cause := fmt.Errorf("GPU %s (%s) had the critical error XID %d", g.UUID, g.Name, x.Code); x.Consequence() {
		case gpu.Unusable:
			g.lost = true
			w.onLost(g.Device, cause)
		case gpu.ProcessesDie:
			w.onHurt(g.Device, cause)
		}
	}
}

// endServersOf ends the servers that compute on a GPU; final means that they are not started again.
func (f *Fleet) endServersOf(d gpu.Device, cause error, final bool) {
	for _, s := range f.now() {
		if !s.computesOn(d) {
			continue
		}
		what := "what its server had on the GPU is lost; ending it"
		if final {
			what = "GPU lost; ending its server"
		}
		f.log.Error().Str("gpu", d.UUID).Str("server", s.name).Err(cause).Msg(what)
		s.end(ending{reason: cause, final: final, blameless: true})
	}
}

// markBusy counts a sample of a GPU that computes for the server that must be the cause: of several servers it could be any.
func markBusy(d gpu.Device, servers []*Server) {
	var its []*Server
	for _, s := range servers {
		if s.computesOn(d) {
			its = append(its, s)
		}
	}
	if len(its) == 1 {
		its[0].gpuBusy.Add(1)
	}
}

// sample takes one sample. A report that does not come changes nothing: drivers are slow now and then.
func (w *monitor) sample(ctx context.Context) {
	report, err := gpu.Query(ctx)
	if err != nil {
		return
	}
	for _, g := range w.gpus {
		if g.lost {
			continue
		}
		// A lost GPU may not even tell its UUID any more. One that is only missing may be back in the next sample, and
		// nvidia-smi, should it have been asked instead, knows no MIG instances.
		at := slices.IndexFunc(report.Devices, func(d gpu.Device) bool { return d.UUID == g.UUID })
		lost := slices.ContainsFunc(report.Devices, func(d gpu.Device) bool {
			return d.Health.Lost && (d.UUID != "" && (d.UUID == g.UUID || d.UUID == g.Parent) || d.UUID == "" && d.Index == g.Index)
		})
		switch {
		case lost:
			g.lost = true
			w.onLost(g.Device, fmt.Errorf("GPU %s (%s) is lost", g.UUID, g.Name))
		case at >= 0:
			if g.add(report.Devices[at]) {
				w.onBusy(g.Device)
			}
		}
	}
}

// add takes one sample in, and reports whether the GPU computes.
func (g *watched) add(d gpu.Device) bool {
	g.last = &d
	g.peak = max(g.peak, d.Memory.Used)
	if d.Load.Utilisation == nil {
		return false
	}
	g.busy += float64(*d.Load.Utilisation)
	g.samples++
	return *d.Load.Utilisation > 0
}

func (w *monitor) uses() []record.GPUUse {
	hours := time.Since(w.began).Hours()
	var uses []record.GPUUse
	for _, g := range w.gpus {
		use := record.GPUUse{UUID: g.UUID, Name: g.Name, Hours: hours, PeakMemoryBytes: g.peak, Lost: g.lost, XIDs: g.xids}
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

func (g *watched) energy() *uint64 {
	if g.last == nil {
		return nil
	}
	return g.last.Load.EnergyMJ
}

// KeepGPUs takes the GPUs out of the fleet that are not among those that are there now, and returns the others with their free
// memory as it was at the start: the run's own servers have ended since.
func (f *Fleet) KeepGPUs(now []gpu.Device) []gpu.Device {
	f.config.GPUs = slices.DeleteFunc(slices.Clone(f.config.GPUs), func(d gpu.Device) bool {
		return !slices.ContainsFunc(now, func(there gpu.Device) bool { return there.UUID == d.UUID })
	})
	return f.config.GPUs
}
