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

// maxXIDs limits the list of a GPU's critical errors in the summary; the log has all of them.
const maxXIDs = 100

// watchedGPU is one GPU of the run, with the samples of the monitor.
type watchedGPU struct {
	gpu.Device             // at the start of the run
	last       *gpu.Device // in the last sample
	peak       uint64      // memory in use, in bytes
	busy       float64     // sum of the samples' utilisation, in percent
	samples    int         // with a utilisation
	lost       bool
	xids       []uint64
}

// monitor watches the run's GPUs: their use, for the summary, and whether they still work.
type monitor struct {
	gpus   []*watchedGPU
	began  time.Time
	onBusy func(gpu.Device)        // the GPU computes
	onHurt func(gpu.Device, error) // the servers on the GPU are lost and can be started again
	onLost func(gpu.Device, error) // the GPU is unusable
}

// WatchGPUs samples the run's GPUs until the caller calls stop. stop waits for the end of the watch, takes the last sample
// and returns the use of each GPU. A server on a lost GPU is ended for good, so that its rows go to the other servers. A
// server that only lost its state on the GPU is ended and started again.
func (f *Fleet) WatchGPUs() (stop func() []record.GPUUse) {
	if len(f.config.GPUs) == 0 {
		return func() []record.GPUUse { return nil }
	}
	w := &monitor{
		began:  time.Now(),
		onBusy: func(d gpu.Device) { markBusy(d, f.current()) },
		onHurt: func(d gpu.Device, cause error) { f.endServersOf(d, cause, false) },
		onLost: func(d gpu.Device, cause error) { f.endServersOf(d, cause, true) },
	}
	for _, d := range f.config.GPUs {
		w.gpus = append(w.gpus, &watchedGPU{Device: d})
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
		w.sample(last) // for the last state of the energy counter
		return w.uses()
	}
}

// watch takes a sample every sampleEvery, and handles critical errors as the driver reports them, until the context ends.
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
		if err != nil { // a GPU may be lost; or this driver reports no events, and the samples must suffice
			log.Debug().Err(err).Msg("the driver reports no critical errors any more")
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
			w.handle(x)
		case <-blind:
		case <-ctx.Done():
			<-listening
			return
		}
	}
}

// handle acts on a critical error of one of the run's GPUs. Errors of other jobs' GPUs are ignored.
func (w *monitor) handle(x gpu.XID) {
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
	for _, s := range f.current() {
		if !s.computesOn(d) {
			continue
		}
		what := "the server lost its state on the GPU; ending the server"
		if final {
			what = "GPU lost; ending its server"
		}
		f.log.Error().Str("gpu", d.UUID).Str("server", s.name).Err(cause).Msg(what)
		s.end(ending{reason: cause, final: final, blameless: true})
	}
}

// markBusy counts a sample with a busy GPU for the server on this GPU. With several servers on the GPU it counts nothing: any
// of them could be the cause.
func markBusy(d gpu.Device, servers []*Server) {
	var onGPU []*Server
	for _, s := range servers {
		if s.computesOn(d) {
			onGPU = append(onGPU, s)
		}
	}
	if len(onGPU) == 1 {
		onGPU[0].gpuBusy.Add(1)
	}
}

// sample takes one sample. A failed query changes nothing: drivers are slow now and then.
func (w *monitor) sample(ctx context.Context) {
	report, err := gpu.Query(ctx)
	if err != nil {
		return
	}
	for _, g := range w.gpus {
		if g.lost {
			continue
		}
		// A lost GPU may not even have a UUID any more. A GPU that is only missing may be back in the next sample, and a report
		// that comes from nvidia-smi instead has no MIG instances.
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

// add adds one sample, and reports whether the GPU computes.
func (g *watchedGPU) add(d gpu.Device) bool {
	g.last = &d
	g.peak = max(g.peak, d.Memory.Used)
	if d.Load.Utilisation == nil {
		return false
	}
	g.busy += float64(*d.Load.Utilisation)
	g.samples++
	return *d.Load.Utilisation > 0
}

// uses returns the use of each GPU since the monitor began.
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

// energy returns the last state of the energy counter, in millijoules; nil where the driver does not report it.
func (g *watchedGPU) energy() *uint64 {
	if g.last == nil {
		return nil
	}
	return g.last.Load.EnergyMJ
}

// KeepGPUs removes the GPUs that are not in now from the fleet, and returns the remaining GPUs with the free memory of the
// start of the run: the servers of the run have ended since.
func (f *Fleet) KeepGPUs(now []gpu.Device) []gpu.Device {
	f.config.GPUs = slices.DeleteFunc(slices.Clone(f.config.GPUs), func(d gpu.Device) bool {
		return !slices.ContainsFunc(now, func(there gpu.Device) bool { return there.UUID == d.UUID })
	})
	return f.config.GPUs
}
