package worker

import (
	"context"
	"errors"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// member is one server that answers rows.
type member struct {
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
	gpuLost   atomic.Pointer[error] // why the monitor ended the server
}

// lossError is why the server is gone.
func (m *member) lossError() error {
	if cause := m.gpuLost.Load(); cause != nil {
		return &ollama.ServerError{Op: "run server", Err: *cause}
	}
	return m.server.Err()
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
// falls free does not stand empty for the time that an answer and the next question take. Their wait counts into the
// request timeout, so they are few.
func inFlight(slots int) int { return slots + max(1, slots/8) }

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
				err := r.serveMember(ctx, m, q)
				if !errors.Is(err, errLost) {
					return err
				}
				lost <- m.lossError()
				r.log.Error().Str("server", m.name).Int("left", len(members)-len(lost)).Msg("server lost; the others take its rows")
				return nil
			})
		}
		return g.Wait()
	})
	err := all.Wait()
	switch {
	case errors.Is(err, context.Canceled):
		return nil // the grace ended or a second signal came; the rows stay undone
	case err == nil && len(lost) == len(members) && !q.isDone():
		return <-lost
	}
	return err
}

// serveMember keeps one server's slots full until the queue is at its end. It returns errLost when the server is gone.
func (r *run) serveMember(requests context.Context, m *member, q *queue) error {
	own, cancel := context.WithCancelCause(requests)
	defer cancel(nil)
	stopped := make(chan struct{})
	var watch errgroup.Group
	if m.server != nil {
		watch.Go(func() error {
			select {
			case <-m.server.Done():
				cancel(errLost)
			case <-stopped:
			}
			return nil
		})
	}
	rows, ctx := errgroup.WithContext(own)
	for range inFlight(m.slots) {
		rows.Go(func() error { return r.askRows(ctx, own, m, q) })
	}
	err := rows.Wait()
	close(stopped)
	watch.Wait()
	return err
}

// askRows asks one row after the other. Own is the server's life: a row that its end cut short is given back.
func (r *run) askRows(ctx, own context.Context, m *member, q *queue) error {
	for {
		select {
		case row, ok := <-q.out:
			if !ok {
				return nil
			}
			if r.broken.tripped() {
				q.finish()
				return nil
			}
			err := r.ask(ctx, m.client, row)
			if errors.Is(context.Cause(own), errLost) && errors.Is(err, context.Canceled) {
				q.giveBack(row)
				return errLost
			}
			q.finish()
			if err != nil {
				return err
			}
		case <-own.Done():
			if errors.Is(context.Cause(own), errLost) {
				return errLost
			}
			return nil
		}
	}
}
