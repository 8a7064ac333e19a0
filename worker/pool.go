package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// member is one server that answers rows.
type member struct {
	number  int // in the plan
	name    string
	plan    batcher.Server
	slots   int // as started: fewer than planned where the plan did not hold
	context int
	cache   string // KV cache type
	logPath string

	server *ollama.Server // nil for a server that is not ours
	client *ollama.Client

	footprint ollama.Footprint // after the load
	layers    *ollama.Layers
	limiter   *limiter    // once it has been asked
	grown     []int64     // by how much more of each of its GPUs was in use then
	leftOut   *SpillError // why it does not serve; nil where it does

	asking   atomic.Int64 // rows that are with the server now
	failing  atomic.Int64 // rows in a row that it did not answer
	answered atomic.Int64 // rows, good or bad, since the run began
	gpuBusy  atomic.Int64 // looks at its GPUs that found one of them computing

	mu       sync.Mutex
	restarts []time.Time
	excused  bool           // a row was the cause of the last end
	live     *ollama.Server // the server, for those who watch it from outside
	procs    []int          // its processes as they were when it was ready
	ended    *ending        // why one of the watchers ended it; nil where it went by itself
	suspects []task         // those that it had when it died, and that were there before
}

func (m *member) stop() {
	if m.client != nil {
		m.client.Close()
	}
	if m.server != nil {
		m.server.Stop()
	}
}

// inFlight is how many rows are with a server at once: its slots, and a few that wait at its door so that a slot that
// falls free does not stand empty for the time that an answer and the next question take. A quarter is what rows need that
// began together and so end together (test/bench, figure b). Their wait counts into the request timeout, so they are no more.
func inFlight(slots int) int { return slots + max(1, slots/4) }

// errLost is the cause by which the requests to a server that is gone are cancelled.
var errLost = errors.New("server lost")

// fanOut keeps the slots of all servers full from one queue: a server that is slower takes fewer rows, and the rows of
// one that is lost go to the others. It returns an error when none is left, or when the output is lost.
func (r *run) fanOut(intake, requests context.Context, members []*member, first prompt.Row) error {
	feed, stopFeed := context.WithCancel(intake)
	q := newQueue()
	go q.run(feed, first, r.pending)
	defer func() { stopFeed(); <-q.ended }()

	all, ctx := errgroup.WithContext(requests)
	idle := make(chan struct{}) // closed when no row is with a server any more
	all.Go(func() error {
		select {
		case <-r.output.Failed():
			return r.output.Err()
		case <-idle:
			return nil
		}
	})
	lost := make(chan error, len(members))
	all.Go(func() error {
		defer close(idle)
		g, ctx := errgroup.WithContext(ctx)
		for _, m := range members {
			g.Go(func() error {
				err := r.keep(ctx, intake, m, q)
				var gone *goneError
				if !errors.As(err, &gone) {
					return err
				}
				lost <- gone.cause
				if left := len(members) - len(lost); left > 0 { // else the run ends with the cause
					r.log.Error().Str("server", m.name).Int("left", left).Err(shortly(gone.cause)).Msg("server lost; the others take its rows")
				}
				return nil
			})
		}
		return g.Wait()
	})
	err := all.Wait()
	switch {
	case errors.Is(err, context.Canceled):
		return nil // the grace ended or a second signal came; the rows stay undone
	case err == nil && intake.Err() != nil:
		return nil // a signal that reaches the servers, too, ends them while they drain
	case err == nil && len(lost) == len(members) && !q.isDone():
		return <-lost
	}
	return err
}

// serveMember keeps one server's slots full until the queue is at its end. It returns errLost when the server is gone.
func (r *run) serveMember(requests context.Context, m *member, q *queue) error {
	own, cancel := context.WithCancelCause(requests)
	defer cancel(nil)
	stopWatching := r.watchServer(m, func() { cancel(errLost) })
	defer stopWatching()
	rows, ctx := errgroup.WithContext(own)
	r.letIn(m)
	for number := range inFlight(m.slots) {
		rows.Go(func() error { return r.askRows(ctx, m, number, q) })
	}
	err := rows.Wait()
	if errors.Is(context.Cause(own), errLost) {
		return errLost // whichever of the others came first
	}
	return err
}

// letIn gives a server its limiter. A server that was started again with as many slots keeps the limiter that it had.
func (r *run) letIn(m *member) {
	if m.limiter != nil && m.limiter.planned == inFlight(m.slots) {
		return
	}
	m.limiter = newLimiter(m.slots, r.log.With().Str("server", m.name).Logger())
	r.limitersMu.Lock()
	defer r.limitersMu.Unlock()
	r.limiters = append(r.limiters, namedLimiter{m.name, m.limiter})
}

// namedLimiter is the limiter of one server.
type namedLimiter struct {
	server  string
	limiter *limiter
}

// inFlight lists the limit of each server, and once more where it was started again with fewer slots.
func (r *run) inFlight() []InFlight {
	r.limitersMu.Lock()
	defer r.limitersMu.Unlock()
	var all []InFlight
	for _, l := range r.limiters {
		all = append(all, InFlight{Server: l.server, Planned: l.limiter.planned, Last: int(l.limiter.limit.Load())})
	}
	return all
}

// askRows asks one row after the other until there is none, or the server is gone. The number says which of the server's
// askers it is.
func (r *run) askRows(ctx context.Context, m *member, number int, q *queue) error {
	for {
		m.limiter.acquire(ctx, number, q.ended)
		if m.isEnding() {
			return errLost // not one more row for it
		}
		select {
		case t, ok := <-q.out:
			if !ok {
				return nil
			}
			if r.broken.tripped() {
				q.finish()
				m.limiter.end() // those who wait to be let in would never hear of it
				return nil
			}
			what, err := r.ask(ctx, m, &t)
			switch what {
			case died:
				m.diedWith(t, q)
				return errLost
			case again:
				q.giveBack(t.retry(r.RetryDelay))
			case passed:
				t.retries, t.passes = 0, t.passes+1
				q.giveBack(t.retry(r.RetryDelay))
			default:
				q.finish()
			}
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
