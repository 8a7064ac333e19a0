// Package dispatch sends rows to slots: from one queue to the lanes of the servers, one lane for each server.
//
// Invariants:
//   - A row that was taken from the queue goes back to the queue, gets its line through the Sink, goes to the Deferrer, or
//     counts as undone. No row is with two servers at once.
//   - A server's failure is never a row's error. The only exception is a row that took servers down again and again, the
//     last time alone (poison_row).
//   - A row that pauses before its next try holds no slot.
//   - Rows that share a request share nothing else: after a failure of the request each of them is asked alone.
//   - dispatch knows a server only as a Server and the output only as a Sink: it starts no process and writes no file.
package dispatch

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
)

// Server is the server of a lane. Own distinguishes a process of this run from a server that another process started: the
// run neither watches nor ends the latter.
type Server interface {
	// Name returns the name of the server for logs.
	Name() string
	// Own reports whether the server is a process of this run.
	Own() bool
	// Slots returns the number of slots with which the server was started last.
	Slots() int
	// Context returns the context length of a slot, in tokens.
	Context() int
	// Ask gets one answer within the given time and the room of the row. Errors: those of ollama.Client.
	Ask(ctx context.Context, within time.Duration, r prompt.Request, room *ollama.Room) (*ollama.Answer, error)
	// Lost returns a channel that is closed when the server is gone; nil for a server that is not Own.
	Lost() <-chan struct{}
	// Down reports whether the failed request means that the server is gone. It ends a server that lost its runner.
	Down(ctx context.Context, failed *ollama.UnavailableError) bool
	// Ending reports whether this run has ended the server or is ending it.
	Ending() bool
	// Blameless reports whether this run ended the server for a reason that has nothing to do with its rows.
	Blameless() bool
	// End ends the server. After a blameless end, no row of the server is a suspect.
	End(reason error, blameless bool)
	// Exempt subtracts the last restarts of the server from the count against MaxRestarts, and leaves out the next restart:
	// a row was the cause.
	Exempt(restarts int)
}

// Sink writes the lines of rows. An error means that the output is lost.
type Sink interface {
	// Answered writes the line of a row that has its answers.
	Answered(row prompt.Row, answers []*ollama.Answer, retries int) error
	// Failed writes the error line of a row. Status 0 means that the error does not come from a server. The line keeps the
	// given answers.
	Failed(row prompt.Row, e *ollama.RequestError, answers []*ollama.Answer, retries int) error
	// Lost returns a channel that is closed when the output is lost.
	Lost() <-chan struct{}
	// Err returns why the output is lost.
	Err() error
}

// Deferrer defers rows to servers with a longer context.
type Deferrer interface {
	// TooLong defers a row that seems to need a longer context, before the row is asked.
	TooLong(row *prompt.Row) (deferred bool, err error)
	// Refused defers a row that a server with this context, in tokens, found too long, or returns the refusal for the row's
	// error line.
	Refused(row *prompt.Row, refused *ollama.RequestError, context int) (deferred bool, final *ollama.RequestError, err error)
	// Learn adds the token counts of an answer to the estimate of what rows need.
	Learn(row *prompt.Row, a *ollama.Answer)
}

// Config holds the limits for requests and answers.
type Config struct {
	RequestTimeout time.Duration // for one answer, and for all waits of a row for a busy server
	MaxRetries     int           // after failures of a server and invalid answers
	RetryDelay     time.Duration // pause before the first retry, doubled for each further retry; 0 is no pause
	StallTimeout   time.Duration // a server without an answer and without work for this long hangs
	FindSlots      bool          // the servers' slots are a guess, from which the best number of rows at once is found
	AnswerMemory   int64         // for the answers in flight of all servers, in bytes; at least ollama.MinBudget
}

// Dispatcher sends the rows of a run to the run's servers, one queue after the other.
type Dispatcher struct {
	config   Config
	log      zerolog.Logger
	sink     Sink
	deferrer Deferrer // nil defers no row
	answers  *ollama.Budget
	breaker  breaker
	latency  latency
	times    record.LatencyHistogram // of all rows so far
	checks   chan struct{}           // holds a token for each check of an answer; no more than there are cores

	mu       sync.Mutex
	limiters []namedLimiter        // of all servers so far
	lanes    []*Lane               // of the present queue
	shared   record.SharedPrefixes // of all queues so far
}

// New makes a dispatcher. A nil deferrer defers no row.
func New(c Config, log zerolog.Logger, sink Sink, deferrer Deferrer) *Dispatcher {
	answers := ollama.NewBudget(max(c.AnswerMemory, ollama.MinBudget))
	return &Dispatcher{
		config: c, log: log, sink: sink, deferrer: deferrer, answers: answers,
		checks: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
}

// errLost is the cause of the cancelled requests to a server that is gone.
var errLost = errors.New("server lost")

// Supervise keeps a server alive for its lane: it calls lane.Serve, and again after each restart of the server. server is
// the server's index in the list that Run got. Supervise returns gone, why the server is lost for good, or err, which ends
// the run.
type Supervise func(ctx context.Context, server int, lane *Lane) (gone, err error)

// Run keeps the slots of all servers full from one queue: a slower server takes fewer rows, and the rows of a lost server go
// to the other servers. The end of intake stops new rows; the end of requests aborts the rows in flight. Run returns an
// error when no server is left, when the output is lost, or when supervise returns an error.
func (d *Dispatcher) Run(intake, requests context.Context, q *Queue, servers []Server, supervise Supervise) error {
	feed, stopFeed := context.WithCancel(intake)
	go q.run(feed)
	defer func() {
		stopFeed()
		<-q.ended
		d.addShared(q.shared)
	}()

	all, ctx := errgroup.WithContext(requests)
	idle := make(chan struct{}) // closed when no server has a row any more
	all.Go(func() error {
		select {
		case <-d.sink.Lost():
			return d.sink.Err()
		case <-idle:
			return nil
		}
	})
	lanes := make([]*Lane, len(servers))
	for i, s := range servers {
		lanes[i] = &Lane{dispatcher: d, queue: q, server: s, others: len(servers) - 1}
	}
	d.setLanes(lanes)
	defer d.setLanes(nil)
	lost := make(chan error, len(servers))
	all.Go(func() error {
		defer close(idle)
		g, ctx := errgroup.WithContext(ctx)
		for i, s := range servers {
			lane := lanes[i]
			g.Go(func() error {
				gone, err := supervise(ctx, i, lane)
				if gone == nil {
					return err
				}
				lane.giveUpSuspects(gone)
				lost <- gone
				if left := len(servers) - len(lost); left > 0 { // otherwise the run ends with the cause
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
		return nil // the signal may also have ended the servers during the drain
	case err == nil && len(lost) == len(servers) && !q.isDone():
		return <-lost
	}
	return err
}

// GaveUp reports whether so many rows in a row stayed undone that no further row is asked.
func (d *Dispatcher) GaveUp() bool { return d.breaker.tripped() }

// Undone returns the number of rows that stay undone because servers failed, and an error with the last cause; nil without
// such rows.
func (d *Dispatcher) Undone() (rows int64, err error) {
	return d.breaker.undone.Load(), d.breaker.err()
}

// P95 returns the 95th percentile of the time from a row's request to its answers, over the last rows; 0 before the first
// row.
func (d *Dispatcher) P95() time.Duration { return d.latency.p95() }

// InFlight lists the limit of each server. A server that was restarted with another number of slots has a further entry.
func (d *Dispatcher) InFlight() []record.InFlight {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []record.InFlight
	for _, l := range d.limiters {
		all = append(all, record.InFlight{Server: l.server, Planned: l.limiter.planned, Last: int(l.limiter.limit.Load())})
	}
	return all
}

// SharedPrefixes returns the groups of rows that were asked one after the other.
func (d *Dispatcher) SharedPrefixes() record.SharedPrefixes {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shared
}

// addShared adds the groups of a queue, and logs them.
func (d *Dispatcher) addShared(s record.SharedPrefixes) {
	if s.Groups > 0 {
		d.log.Info().Int64("groups", s.Groups).Int64("rows", s.Rows).Int64("largest", s.Largest).
			Msg("rows with the same beginning of their prompts were asked one after the other (--order auto)")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shared.Merge(s)
}

// namedLimiter is the limiter of one server.
type namedLimiter struct {
	server  string
	limiter *limiter
}

// addLimiter makes a limiter and adds it to the list of InFlight.
func (d *Dispatcher) addLimiter(server string, slots int) *limiter {
	l := newLimiter(slots, d.config.FindSlots, d.log.With().Str("server", server).Logger())
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limiters = append(d.limiters, namedLimiter{server, l})
	return l
}
