// Package fleet runs the Ollama servers of a run: it inspects the model, starts the servers of a plan, verifies that each
// server holds the model where the plan says, watches the servers and their GPUs, and starts a lost server again.
//
// Invariants:
//   - A server that serves was verified: it answered, and all of the model is on the GPUs of its plan, unless the user
//     allowed otherwise.
//   - Stop ends every process that was started, also after an error.
//   - Every change of a server's numbers goes to the Recorder.
//   - fleet knows nothing of rows: it sees the traffic as an Activity, and Supervise gets the function that sends rows.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/worker/ollama"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
	"fluxworker/worker/slurm"
)

// Settings says which servers answer, and how this run starts them.
type Settings struct {
	Command     []string         // program and leading arguments of Ollama; fleet adds "serve"
	URL         string           // of a server that runs already, instead of servers that this run starts; "" without one
	Models      string           // the folder with the models
	File        *ollama.File     // a model outside of Models; nil where Models holds the model
	Device      ollama.Device    // GPUs or the CPU
	PullMissing bool             // fetch a model that the server does not have
	LoadTimeout time.Duration    // for each step of a server's start: to listen, to answer, to load the model
	Isolate     ollama.Isolation // whether servers run in namespaces of their own
	ScratchRoot string           // the folder for the servers' HOME folders; "" is the system's folder
	OpenAI      *OpenAI          // the servers have OpenAI's API, and are not Ollama; nil for Ollama
}

// Address returns the address of a server that runs already, without the parts that may be secret.
func (s Settings) Address() string { return ollama.PublicAddress(s.URL) }

// StartsOllama reports whether the run starts servers of Ollama, whose memory it plans.
func (s Settings) StartsOllama() bool { return s.URL == "" && s.OpenAI == nil }

// Config says how the servers of a run are started and watched.
type Config struct {
	Settings
	Model          string
	Info           ollama.Info // of the model, from Inspect
	GPUs           []gpu.Device
	Run            result.Paths  // the servers' logs go to its run folder
	GPULayers      int           // of the model on the GPUs, ollama.AllLayers for all; 0 leaves the number to the server
	AllowCPULayers bool          // a part of the model may be on the CPU
	MinContext     int           // with one slot, an offloading server may get a shorter context, down to this, in tokens; 0 forbids it
	MaxRestarts    int           // of a server within restartWindow
	StallTimeout   time.Duration // a server with rows in flight, without an answer and without work for this long hangs
	MaxServerBytes int64         // of host memory; a server that holds more is restarted; 0 is no limit
	MaxFleetBytes  int64         // of host memory, for all servers together; above it the largest server is restarted; 0 is no limit
	Enforced       slurm.Memory  // the memory limit of the job, for messages
	// OnRestart is called when a lost server serves again.
	OnRestart func(server string)
}

// Fleet is the servers of the present plan. Each Start replaces them.
type Fleet struct {
	config   Config
	api      api
	log      zerolog.Logger
	recorder *record.Recorder
	memory   ledger

	unisolated atomic.Bool // a server did not start in namespaces, and started without them

	usedBefore map[string]uint64         // bytes in use on each GPU before the first server of the present plan, by UUID
	threads    int                       // of each server of the present plan
	servers    atomic.Pointer[[]*Server] // of the present plan; atomic, because the GPU monitor reads it
}

// New makes a fleet without servers.
func New(c Config, recorder *record.Recorder, log zerolog.Logger) *Fleet {
	f := &Fleet{config: c, log: log, recorder: recorder}
	f.api = ollamaAPI{f}
	if c.OpenAI != nil {
		f.api = openAI{f}
	}
	return f
}

// Start starts and verifies every server of the plan, and returns the servers that serve. A server that does not start is an
// error: the job got its GPUs to use all of them. A server whose GPUs do not hold the model, even with one slot, is excluded
// if another server serves. threads is the number of CPU threads of each server; 0 leaves the number to the engine. Errors:
// OffloadError where no server serves; ConfigError for the URL; those of ollama.
func (f *Fleet) Start(ctx context.Context, p batcher.Plan, threads int) (serving []*Server, err error) {
	f.threads = threads
	servers := f.planned(p)
	f.servers.Store(&servers)
	f.recordPlan(p, servers)
	if f.config.URL != "" {
		err = f.useRunning(ctx, servers[0])
	} else {
		f.usedBefore = f.usedMemory(ctx)
		g, gctx := errgroup.WithContext(ctx)
		for _, group := range sharing(servers) {
			g.Go(func() error { return f.startSharing(gctx, group, len(servers)) })
		}
		err = g.Wait()
	}
	if err == nil {
		serving, err = f.servingOf(servers)
	}
	f.measure(ctx, servers)
	if err != nil && ctx.Err() == nil {
		f.recordFailure(err)
	}
	if err != nil {
		return nil, err
	}
	return serving, nil
}

// Stop ends all servers of the present plan in parallel: a server that ignores SIGTERM takes seconds.
func (f *Fleet) Stop() {
	var stopping sync.WaitGroup
	for _, s := range f.current() {
		stopping.Go(s.stop)
	}
	stopping.Wait()
}

// current returns the servers of the present plan; nil before the first Start.
func (f *Fleet) current() []*Server {
	if servers := f.servers.Load(); servers != nil {
		return *servers
	}
	return nil
}

// planned returns the servers of a plan, not yet started.
func (f *Fleet) planned(p batcher.Plan) []*Server {
	if f.config.URL != "" {
		return []*Server{{name: ollama.PublicAddress(f.config.URL), slots: p.Slots, context: p.Context}}
	}
	servers := make([]*Server, len(p.Servers))
	for i, s := range p.Servers {
		servers[i] = &Server{
			number: i, name: serverName(i, s), plan: s, slots: s.Slots, context: p.Context, cache: p.KVCacheType, ubatch: p.Ubatch, logPath: f.config.Run.In(LogName(i)),
		}
	}
	return servers
}

// servingOf returns the servers that hold the model, and logs the excluded servers. Error: the OffloadError of the first
// server where all are excluded.
func (f *Fleet) servingOf(servers []*Server) ([]*Server, error) {
	var serving []*Server
	for _, s := range servers {
		if s.excluded == nil {
			serving = append(serving, s)
		}
	}
	if len(serving) == 0 {
		return nil, servers[0].excluded
	}
	for _, s := range servers {
		if s.excluded != nil {
			f.log.Error().Str("server", s.name).Int("servers_left", len(serving)).Err(s.excluded).
				Msg("the GPUs of this server do not hold the model; the run goes on without this server")
		}
	}
	return serving, nil
}

// recordPlan records the plan and its servers, before they are started.
func (f *Fleet) recordPlan(p batcher.Plan, servers []*Server) {
	out := record.Plan{Context: p.Context, Cache: p.KVCacheType, Ubatch: p.Ubatch, Servers: make([]record.PlannedServer, len(servers))}
	if f.config.URL == "" {
		out.Device, out.Command, out.Threads = f.config.Device, f.config.Command, f.threads
	} else {
		out.URL = ollama.PublicAddress(f.config.URL)
	}
	if f.config.File != nil {
		out.GGUF = f.config.File.Path
	}
	f.recorder.Planned(out)
	for _, s := range servers {
		f.record(s, nil)
	}
}

// record records a server after a start that ended with err. It reports whether slots, context or exclusion differ from the
// record before.
func (f *Fleet) record(s *Server, err error) (changed bool) {
	p := record.PlannedServer{
		GPUs: uuids(s.plan.Devices), Slots: s.slots, Context: s.context, Terms: s.plan.Terms, Bytes: s.plan.Bytes,
		MeasuredBytes: s.grown, Loaded: s.footprint, Layers: s.layers, Isolated: s.process != nil && s.process.Isolated(),
	}
	if len(s.plan.Devices) > 0 {
		p.GPU = s.plan.Devices[0].Name
	}
	if s.slots < s.plan.Slots {
		p.PlannedSlots = s.plan.Slots
	}
	if offloaded, ok := errors.AsType[*OffloadError](err); ok {
		p.LeftOut = offloaded.Error()
	}
	return f.recorder.Server(s.number, p)
}

// recordFailure writes the manifest after a failed start: a user needs the predicted and the measured memory then. A failed
// write is only logged: the run's error is the cause.
func (f *Fleet) recordFailure(cause error) {
	f.recorder.StartFailed(ollama.WithoutLog(cause).Error())
	if err := f.recorder.Write(); err != nil {
		f.log.Warn().Err(err).Msg("the manifest of the failed start is not written")
	}
}

// LogName returns the name of a server's log in the run folder. i is the number of the server, from 0. The name of the first
// has no number: almost every run has one server.
func LogName(i int) string {
	if i == 0 {
		return "server.log"
	}
	return fmt.Sprintf("server-%d.log", i+1)
}

// serverName returns the name of a server for logs: its number, from 1, and the UUIDs of its GPUs.
func serverName(i int, s batcher.Server) string {
	name := fmt.Sprintf("server %d", i+1)
	for n, d := range s.Devices {
		if n == 0 {
			name += " on "
		} else {
			name += " and "
		}
		name += d.UUID
	}
	return name
}

func uuids(devices []gpu.Device) []string {
	list := make([]string, len(devices))
	for i, d := range devices {
		list[i] = d.UUID
	}
	return list
}
