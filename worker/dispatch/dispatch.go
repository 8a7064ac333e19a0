// Package dispatch sends rows to slots: from one queue to the lanes of the servers, one lane for each server.
//
// Invariants:
//   - A row that was taken from the queue comes back to the queue, or gets its line through the Sink, or is counted as
//     undone. No row is with two servers at once.
//   - A server's failure is never a row's error. The one exception is a row that took servers down again and again, the
//     last time alone (poison_row).
//   - A row that pauses before its next try holds no slot.
//   - dispatch knows of a server what the interface Server says, and of the output what the Sink says: it starts no
//     process and writes no file.
package dispatch

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
)

// Server is what a lane asks of its server. A server that somebody else runs is not Own: it is neither watched nor ended.
type Server interface {
	Name() string
	Own() bool
	Slots() int   // as started last
	Context() int // tokens of a slot
	// Ask gets one answer. Errors: those of ollama.Client.
	Ask(ctx context.Context, within time.Duration, r prompt.Request) (*ollama.Answer, error)
	// Lost is closed when the server is gone; nil for a server that is not Own.
	Lost() <-chan struct{}
	// Down reports whether a failed request is the end of the server. It ends a server that lost its runner.
	Down(ctx context.Context, failed *ollama.UnavailableError) bool
	// Ending reports whether the server is being ended, or was, for a reason of its own. Blameless reports whether that
	// reason has nothing to do with the rows that it had.
	Ending() bool
	Blameless() bool
	// End ends the server. A blameless end leaves no row under suspicion.
	End(reason error, blameless bool)
	// Exempt takes so many restarts of the server, and the next one, out of those that count against it: a row was the
	// cause.
	Exempt(restarts int)
}

// Sink takes what became of a row. An error means that the output is lost.
type Sink interface {
	Answered(row prompt.Row, answers []*ollama.Answer, retries int) error
	// Failed takes the error of a row. A status of 0 means that no server gave it; answers are those that the line keeps.
	Failed(row prompt.Row, e *ollama.RequestError, answers []*ollama.Answer, retries int) error
	// Lost is closed when the output is lost, and Err says why.
	Lost() <-chan struct{}
	Err() error
}

// Deferrer leaves rows for servers with a longer context.
type Deferrer interface {
	// TooLong defers a row that seems to need a longer context, before it is asked.
	TooLong(row *prompt.Row) (deferred bool, err error)
	// Refused defers a row that the server found too long, or returns the refusal that its error line gets.
	Refused(row *prompt.Row, refused *ollama.RequestError, context int) (deferred bool, final *ollama.RequestError, err error)
	// Learn takes an answer into the estimate of what rows need.
	Learn(row *prompt.Row, a *ollama.Answer)
}

// Config says how rows are tried.
type Config struct {
	RequestTimeout time.Duration // for one answer
	MaxRetries     int           // how often a row is asked again after a failure of the server
	RetryDelay     time.Duration // before a row is asked again for the first time, and twice as long each time after; 0 is at once
	StallTimeout   time.Duration // without an answer and without working a server counts as hanging after this
}

// Dispatcher sends the rows of a run to its servers, one queue after the other.
type Dispatcher struct {
	config   Config
	log      zerolog.Logger
	sink     Sink
	deferrer Deferrer // nil defers no row
	breaker  breaker
	latency  latency

	mu       sync.Mutex
	limiters []namedLimiter
}

// New makes a dispatcher. A nil deferrer defers no row.
func New(c Config, log zerolog.Logger, sink Sink, deferrer Deferrer) *Dispatcher {
	return &Dispatcher{config: c, log: log, sink: sink, deferrer: deferrer}
}

// errLost is the cause by which the requests to a server that is gone are cancelled.
var errLost = errors.New("server lost")

// Supervise keeps a server alive for its lane: it calls lane.Serve, and again after each new start of the server. It returns why
// the server is gone for good, or the error that ends the run.
type Supervise func(ctx context.Context, server int, lane *Lane) (gone, err error)

// Run keeps the slots of all servers full from one queue: a slower server takes fewer rows, and the rows of a lost server go
// to the others. Requests bounds the rows in flight, intake those that are still to be taken. It returns an error when no
// server is left, or when the output is lost.
func (d *Dispatcher) Run(intake, requests context.Context, q *Queue, servers []Server, supervise Supervise) error {
	feed, stopFeed := context.WithCancel(intake)
	go q.run(feed)
	defer func() { stopFeed(); <-q.ended }()

	all, ctx := errgroup.WithContext(requests)
	idle := make(chan struct{}) // closed when no row is with a server any more
	all.Go(func() error {
		select {
		case <-d.sink.Lost():
			return d.sink.Err()
		case <-idle:
			return nil
		}
	})
	lost := make(chan error, len(servers))
	all.Go(func() error {
		defer close(idle)
		g, ctx := errgroup.WithContext(ctx)
		for i, s := range servers {
			lane := &Lane{dispatcher: d, queue: q, server: s, others: len(servers) - 1}
			g.Go(func() error {
				gone, err := supervise(ctx, i, lane)
				if gone == nil {
					return err
				}
				lane.giveUpSuspects(gone)
				lost <- gone
				if left := len(servers) - len(lost); left > 0 { // else the run ends with the cause
					d.log.Error().Str("server", s.Name()).Int("left", left).Err(ollama.WithoutLog(gone)).Msg("server lost; the others take its rows")
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
	case err == nil && len(lost) == len(servers) && !q.isDone():
		return <-lost
	}
	return err
}

// GaveUp reports whether so many rows in a row stayed undone that no other is asked.
func (d *Dispatcher) GaveUp() bool { return d.breaker.tripped() }

// Undone returns how many rows stay undone because servers failed, and the error that says so; nil where there are none.
func (d *Dispatcher) Undone() (rows int64, err error) {
	return d.breaker.undone.Load(), d.breaker.err()
}

// P95 returns the time within which 95 of 100 of the last rows came to their end; 0 before the first row.
func (d *Dispatcher) P95() time.Duration { return d.latency.p95() }

// InFlight lists the limit of each server, and once more where it was started again with fewer slots.
func (d *Dispatcher) InFlight() []record.InFlight {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []record.InFlight
	for _, l := range d.limiters {
		all = append(all, record.InFlight{Server: l.server, Planned: l.limiter.planned, Last: int(l.limiter.limit.Load())})
	}
	return all
}

// namedLimiter is the limiter of one server.
type namedLimiter struct {
	server  string
	limiter *limiter
}

// addLimiter makes a limiter that InFlight lists.
func (d *Dispatcher) addLimiter(server string, slots int) *limiter {
	l := newLimiter(slots, d.log.With().Str("server", server).Logger())
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limiters = append(d.limiters, namedLimiter{server, l})
	return l
}
