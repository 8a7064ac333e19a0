// Package fleet runs the Ollama servers of a run: it inspects the model, starts the servers of a plan, verifies that each of
// them holds the model where the plan says, watches them and their GPUs, and starts a lost server again.
//
// Invariants:
//   - A server that serves was verified: it answered, and all of the model is on the GPUs of its plan, unless the user
//     allowed otherwise.
//   - Every process that was started is ended by Stop, whatever came between.
//   - Every change of a server's numbers goes to the Recorder.
//   - fleet knows nothing of rows: what it sees of the traffic is Activity, and Supervise calls what sends the rows.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/url"
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

// Settings says which servers answer.
type Settings struct {
	Command     []string         // program and leading arguments of Ollama; "serve" is added
	URL         string           // a server that runs already; then Command and what follows count for nothing
	Models      string           // the folder with the models
	File        *ollama.File     // a model that is in no folder; nil where it is in Models
	Device      ollama.Device    //
	PullMissing bool             // fetch the model where the server does not have it
	LoadTimeout time.Duration    // for each step of a server's start: to listen, to answer, to load the model
	Isolate     ollama.Isolation // whether servers live in namespaces of their own
	ScratchRoot string           // a server's HOME is made below it; empty is the system's place
}

// Config says how the servers of a run are started and watched.
type Config struct {
	Settings
	Model          string
	Info           ollama.Info // what Inspect found
	GPUs           []gpu.Device
	Run            result.Paths // the servers' logs go to its run folder
	AllowCPULayers bool         // a part of the model may stay beside the GPU
	MinContext     int          // below one slot the context may shrink to this, in tokens; 0 never
	MaxRestarts    int          // of a server within restartWindow, before it is given up
	StallTimeout   time.Duration
	MaxServerBytes int64        // of host memory that a server may hold before it is started anew; 0 is no limit
	MaxFleetBytes  int64        // and that all servers may hold together; 0 is no limit
	Enforced       slurm.Memory // the limit of the job, for messages
}

// Fleet is the servers of one plan, and then of the next.
type Fleet struct {
	config   Config
	log      zerolog.Logger
	recorder *record.Recorder
	memory   ledger

	usedBefore map[string]uint64         // what of the GPUs was in use before the first server was started, by UUID
	threads    int                       // of each server of the present plan
	servers    atomic.Pointer[[]*Server] // of the present plan, for the watch of the GPUs
}

// New makes a fleet without servers.
func New(c Config, recorder *record.Recorder, log zerolog.Logger) *Fleet {
	return &Fleet{config: c, log: log, recorder: recorder}
}

// Start brings every server of the plan to the point where answers come, and returns those that serve. A server that does not start is
// an error: the job got its GPUs to use them all. A server whose GPUs do not hold the model, however little it is given, is
// left out where another server serves. threads is the number of threads that each server computes with on the CPU; 0 leaves it to the
// engine. Errors: OffloadError where none serves; those of ollama.
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
		for _, site := range sharing(servers) {
			g.Go(func() error { return f.startSharing(gctx, site, len(servers)) })
		}
		err = g.Wait()
	}
	if err == nil {
		serving, err = f.withoutLeftOut(servers)
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

// Stop ends all servers of the present plan at once: a server that ignores TERM takes seconds.
func (f *Fleet) Stop() {
	var stopping sync.WaitGroup
	for _, s := range f.now() {
		stopping.Go(s.stop)
	}
	stopping.Wait()
}

// now returns the servers of the present plan; none before the first Start.
func (f *Fleet) now() []*Server {
	if servers := f.servers.Load(); servers != nil {
		return *servers
	}
	return nil
}

// planned returns the servers of a plan, none of them started.
func (f *Fleet) planned(p batcher.Plan) []*Server {
	if f.config.URL != "" {
		return []*Server{{name: redacted(f.config.URL), slots: p.Slots, context: p.Context}}
	}
	servers := make([]*Server, len(p.Servers))
	for i, s := range p.Servers {
		servers[i] = &Server{
			number: i, name: serverName(i, s), plan: s, slots: s.Slots, context: p.Context, cache: p.KVCacheType, logPath: f.config.Run.In(LogName(i)),
		}
	}
	return servers
}

// withoutLeftOut returns the servers that hold the model, and names the others in the log. It is an error where none is left.
func (f *Fleet) withoutLeftOut(servers []*Server) ([]*Server, error) {
	var serving []*Server
	for _, s := range servers {
		if s.leftOut == nil {
			serving = append(serving, s)
		}
	}
	if len(serving) == 0 {
		return nil, servers[0].leftOut
	}
	for _, s := range servers {
		if s.leftOut != nil {
			f.log.Error().Str("server", s.name).Int("servers_left", len(serving)).Err(s.leftOut).
				Msg("a GPU does not hold what was planned for it; the run goes on without this server")
		}
	}
	return serving, nil
}

// recordPlan begins the record of how the model is served, with what is planned.
func (f *Fleet) recordPlan(p batcher.Plan, servers []*Server) {
	out := record.Plan{Context: p.Context, Cache: p.KVCacheType, Servers: make([]record.PlannedServer, len(servers))}
	if f.config.URL == "" {
		out.Device, out.Command, out.Threads = f.config.Device, f.config.Command, f.threads
	} else {
		out.URL = redacted(f.config.URL)
	}
	if f.config.File != nil {
		out.GGUF = f.config.File.Path
	}
	f.recorder.Planned(out)
	for _, s := range servers {
		f.record(s, nil)
	}
}

// record brings the record of a server up to date after its start, which ended with err. It reports whether the server serves
// with other numbers than before.
func (f *Fleet) record(s *Server, err error) (changed bool) {
	p := record.PlannedServer{
		GPUs: uuids(s.plan.Devices), Slots: s.slots, Context: s.context, Terms: s.plan.Terms, Bytes: s.plan.Bytes,
		MeasuredBytes: s.grown, Loaded: s.footprint, Layers: s.layers, Isolated: s.process != nil && s.process.Isolated(),
	}
	if offloaded, ok := errors.AsType[*OffloadError](err); ok {
		p.LeftOut = offloaded.Error()
	}
	return f.recorder.Server(s.number, p)
}

// recordFailure writes the manifest of a run whose servers did not start: what was predicted and what was measured is what
// a user then needs. Where that fails, too, the log says so, since the start's error is the cause.
func (f *Fleet) recordFailure(cause error) {
	f.recorder.StartFailed(ollama.WithoutLog(cause).Error())
	if err := f.recorder.Write(); err != nil {
		f.log.Warn().Err(err).Msg("the manifest of the failed start is not written")
	}
}

// LogName returns the name of a server's log in the run folder, by the number of the server from 0. Almost every run has
// one server.
func LogName(i int) string {
	if i == 0 {
		return "server.log"
	}
	return fmt.Sprintf("server-%d.log", i+1)
}

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

// redacted leaves user and password out of an address: a token may be either.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "(no address)"
	}
	u.User = nil
	return u.String()
}
