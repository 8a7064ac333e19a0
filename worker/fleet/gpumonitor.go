package fleet

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/gpu"
)

// sampleEvery is the time between two samples of the GPUs. A sample costs some ten milliseconds of one core.
const sampleEvery = 10 * time.Second

// GPUWatch watches the run's GPUs: their use, for the records, and whether they still work. Its methods are safe for concurrent
// use.
type GPUWatch struct {
	began  time.Time
	stop   func()
	onBusy func(gpu.Device)        // the GPU computes
	onHurt func(gpu.Device, error) // the servers on the GPU are lost and can be started again
	onLost func(gpu.Device, error) // the GPU is unusable

	mu    sync.Mutex
	gpus  []*watchedGPU
	ended time.Time // zero while the watch runs
}

// WatchGPUs samples the run's GPUs until Stop. A server on a lost GPU is ended for good, so that its rows go to the other servers.
// A server that only lost its state on the GPU is ended and started again.
func (f *Fleet) WatchGPUs() *GPUWatch {
	w := &GPUWatch{
		began: time.Now(), stop: func() {},
		onBusy: func(d gpu.Device) { markBusy(d, f.current()) },
		onHurt: func(d gpu.Device, cause error) { f.endServersOf(d, cause, false) },
		onLost: func(d gpu.Device, cause error) { f.endServersOf(d, cause, true) },
	}
	if len(f.config.GPUs) == 0 {
		return w
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
	w.stop = func() {
		cancel()
		<-ended
		last, done := context.WithTimeout(context.Background(), sampleEvery)
		defer done()
		w.sample(last) // for the last state of the energy counter
	}
	return w
}

// Stop ends the watch, waits for its end, and takes the last sample. It must be called once.
func (w *GPUWatch) Stop() {
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = time.Now()
}

// watch takes a sample every sampleEvery, and handles critical errors as the driver reports them, until the context ends.
func (w *GPUWatch) watch(ctx context.Context, log zerolog.Logger) {
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
func (w *GPUWatch) handle(x gpu.XID) {
	for _, d := range w.hit(x) {
		switch cause := fmt.Errorf("GPU %s (%s) had the critical error XID %d", d.UUID, d.Name, x.Code); x.Consequence() {
		case gpu.Unusable:
			w.onLost(d, cause)
		case gpu.ProcessesDie:
			w.onHurt(d, cause)
		}
	}
}

// hit records a critical error of the GPUs that it hits, and returns those of them that were not lost before.
func (w *GPUWatch) hit(x gpu.XID) (hit []gpu.Device) {
	w.mu.Lock()
	defer w.mu.Unlock()
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
		g.lost = x.Consequence() == gpu.Unusable
		hit = append(hit, g.Device)
	}
	return hit
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
func (w *GPUWatch) sample(ctx context.Context) {
	report, err := gpu.Query(ctx)
	if err != nil {
		return
	}
	busy, lost := w.add(report.Devices, time.Now())
	for _, d := range busy {
		w.onBusy(d)
	}
	for _, d := range lost {
		w.onLost(d, fmt.Errorf("GPU %s (%s) is lost", d.UUID, d.Name))
	}
}

// add adds a sample of all GPUs, and returns the GPUs that compute, and those that are lost since the sample before.
func (w *GPUWatch) add(now []gpu.Device, at time.Time) (busy, lost []gpu.Device) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.gpus {
		if g.lost {
			continue
		}
		// A lost GPU may not even have a UUID any more. A GPU that is only missing may be back in the next sample, and a report
		// that comes from nvidia-smi instead has no MIG instances.
		own := slices.IndexFunc(now, func(d gpu.Device) bool { return d.UUID == g.UUID })
		g.lost = slices.ContainsFunc(now, func(d gpu.Device) bool {
			return d.Health.Lost && (d.UUID != "" && (d.UUID == g.UUID || d.UUID == g.Parent) || d.UUID == "" && d.Index == g.Index)
		})
		switch {
		case g.lost:
			lost = append(lost, g.Device)
		case own >= 0:
			if g.add(now[own], at) {
				busy = append(busy, g.Device)
			}
		}
	}
	return busy, lost
}

// KeepGPUs removes the GPUs that are not in now from the fleet, and returns the remaining GPUs with the free memory of the
// start of the run: the servers of the run have ended since.
func (f *Fleet) KeepGPUs(now []gpu.Device) []gpu.Device {
	f.config.GPUs = slices.DeleteFunc(slices.Clone(f.config.GPUs), func(d gpu.Device) bool {
		return !slices.ContainsFunc(now, func(there gpu.Device) bool { return there.UUID == d.UUID })
	})
	return f.config.GPUs
}
