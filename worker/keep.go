package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/result"
)

const (
	// restartWindow is the time within which MaxRestarts counts: a server that dies once a day may do so for a year.
	restartWindow = 10 * time.Minute
	// deathsToSuspect is how many servers a task may be with when they die before it is asked alone.
	deathsToSuspect = 2
	// settleTime is how long a row waits after a broken connection before it is looked which processes are there.
	settleTime = 500 * time.Millisecond
	// dyingTime is how long a server may take to be gone that lost a process: its guard first ends what is left of it.
	dyingTime = 2 * time.Second
)

// CodePoisonRow is the code of a row that takes servers down.
const CodePoisonRow = "poison_row"

// goneError is a server that is not started again.
type goneError struct{ cause error }

func (e *goneError) Error() string { return e.cause.Error() }
func (e *goneError) Unwrap() error { return e.cause }

// keep serves rows with one server for as long as there are any, and starts the server again when it is lost. It returns
// a *goneError when that does not help.
func (r *run) keep(ctx, intake context.Context, m *member, q *queue) error {
	for {
		err := r.askSuspects(ctx, m, q)
		if err == nil {
			err = r.serveMember(ctx, m, q)
		}
		if !errors.Is(err, errLost) {
			return err
		}
		if intake.Err() != nil {
			return nil // no row would be taken any more
		}
		if err := r.restart(ctx, intake, m); err != nil {
			r.giveUpSuspects(m, q, err)
			return err
		}
		if intake.Err() != nil {
			return nil // nothing was started, or nothing would be taken: suspects stay undone
		}
	}
}

// restart starts a lost server again, after a pause that grows, as often as MaxRestarts allows.
func (r *run) restart(ctx, intake context.Context, m *member) error {
	cause, final := m.lossError()
	for {
		if final {
			return &goneError{cause}
		}
		restarts := m.recentRestarts()
		if restarts >= r.MaxRestarts {
			return &goneError{fmt.Errorf("%w (started again %d times within %s, --max-restarts)", cause, restarts, restartWindow)}
		}
		pause := time.Second << min(restarts, 5) / 2
		r.log.Error().Str("server", m.name).Err(shortly(cause)).Stringer("pause", pause).Msg("server lost; starting it again")
		if !wait(intake, pause-rand.N(pause/4)) {
			return nil // the signal's grace is for rows in flight, and this server has none
		}
		m.countRestart()
		m.stop()
		err := r.startFitting(ctx, m)
		r.startedAgain(ctx, m, err)
		var spill *SpillError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &spill), errors.Is(err, ollama.ErrModelMissing):
			final = true
		}
		cause = err
	}
}

// recentRestarts is how often the server was started again within the window.
func (m *member) recentRestarts() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restarts = slices.DeleteFunc(m.restarts, func(t time.Time) bool { return time.Since(t) > restartWindow })
	return len(m.restarts)
}

// countRestart counts a restart, unless a row was the cause of the server's end.
func (m *member) countRestart() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.excused {
		m.restarts = append(m.restarts, time.Now())
	}
	m.excused = false
}

// excuse takes the last restarts and the next one out of the count: a row was the cause.
func (m *member) excuse(restarts int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restarts, m.excused = m.restarts[:max(0, len(m.restarts)-restarts)], true
}

// shortly leaves the end of the server's log out of a message: the last one has it.
func shortly(err error) error {
	var server *ollama.ServerError
	if errors.As(err, &server) {
		return server.Err
	}
	return err
}

// wait returns false when the context ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// askSuspects asks, one after the other and with nothing else in flight on this server, the tasks that were there each
// time that it died. One that takes it down even so is the cause, and gets an error line.
func (r *run) askSuspects(requests context.Context, m *member, q *queue) error {
	for len(m.suspects) > 0 {
		if m.isEnding() {
			return errLost // for a reason of its own: no suspect is to be asked, and blamed, while it goes
		}
		t := m.suspects[0]
		own, cancel := context.WithCancelCause(requests)
		stopWatching := r.watchServer(m, func() { cancel(errLost) })
		what, err := r.ask(own, m, &t)
		stopWatching()
		cancel(nil)
		m.suspects = m.suspects[1:]
		switch {
		case err != nil:
			q.finish()
			return err
		case what == died && m.endedInnocently():
			q.giveBack(t)
			return errLost
		case what == died:
			m.excuse(t.deaths)
			message := fmt.Sprintf("the server died %d times while it had this row, the last time when it had no other", t.deaths+1)
			r.counts.asked.Add(1)
			r.counts.fail(r.log, t.row, CodePoisonRow, message)
			err := r.output.Append(t.row, nil, &result.Failure{Code: CodePoisonRow, Message: message, Line: t.row.Line})
			q.finish()
			return errors.Join(err, errLost)
		case what == again, what == passed:
			q.giveBack(t.retry(r.RetryDelay))
		default:
			q.finish()
		}
	}
	return nil
}

// giveUpSuspects leaves the tasks undone that nobody else may be harmed by.
func (r *run) giveUpSuspects(m *member, q *queue, err error) {
	for range m.suspects {
		r.broken.undone.Add(1)
		r.broken.last.Store(&err)
		q.finish()
	}
	m.suspects = nil
}

// diedWith takes note of a task that the server had when it died.
func (m *member) diedWith(t task, q *queue) {
	if m.endedInnocently() {
		q.giveBack(t)
		return
	}
	t.deaths++
	if t.deaths < deathsToSuspect {
		q.giveBack(t)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.suspects = append(m.suspects, t)
}

// begun notes that a server is up.
func (m *member) begun() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live, m.ended = m.server, nil
	m.failing.Store(0)
	m.procs = nil
	if usage, err := m.server.Consumption(); err == nil {
		m.procs = usage.Procs
	}
}

// ending is why one of the watchers ends a server.
type ending struct {
	reason   error
	final    bool // starting it again would be of no use
	innocent bool // no row can be to blame, whichever it had
}

// end ends the server and waits for that.
func (m *member) end(e ending) {
	m.mu.Lock()
	server := m.live
	if server != nil && m.ended == nil {
		m.ended = &e
	}
	m.mu.Unlock()
	if server != nil {
		server.Stop()
	}
}

// endedInnocently tells whether the server was ended for a reason that has nothing to do with the rows that it had.
func (m *member) endedInnocently() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ended != nil && m.ended.innocent
}

// isEnding tells whether one of the watchers ends the server, or has.
func (m *member) isEnding() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ended != nil
}

// lossError is why the server is gone, and whether that is final.
func (m *member) lossError() (error, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended != nil {
		return m.server.Failed("run server", m.ended.reason), m.ended.final
	}
	return m.server.Err(), false
}

// isDown tells whether a failed request is the end of its server: of the whole of it, or of one of its processes, which is
// its runner. A server without its runner is ended: it would load the model again by itself, but nobody would look where
// to, and rows that kill runners would never be found.
func (m *member) isDown(ctx context.Context, err *ollama.UnavailableError) bool {
	switch {
	case m.server == nil:
		return false
	case m.isEnding():
		return true
	case errors.Is(err, ollama.ErrTimeout):
		return false
	case err.Status != 0:
		if m.lostProcess() {
			m.end(ending{reason: fmt.Errorf("its runner died: %w", err)})
			return true
		}
		return false
	}
	// A process lets go of its connections a moment before it is gone. One that listens no more may take longer to end, and
	// until then no other row gets anywhere, either.
	settle := settleTime
	if errors.Is(err, syscall.ECONNREFUSED) {
		settle = dyingTime
	}
	if ended(ctx, m.server, settle) || m.isEnding() {
		return true
	}
	if ctx.Err() != nil || !m.lostProcess() {
		return false
	}
	if !ended(ctx, m.server, dyingTime) {
		m.end(ending{reason: fmt.Errorf("its runner died: %w", err)})
	}
	return true
}

// ended tells whether the server has ended, or does so within the time.
func ended(ctx context.Context, server *ollama.Server, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-server.Done():
		return true
	case <-ctx.Done():
		return errors.Is(context.Cause(ctx), errLost)
	case <-timer.C:
		return false
	}
}

// lostProcess tells whether a process of the server that was there is there no more.
func (m *member) lostProcess() bool {
	usage, err := m.server.Consumption()
	return err != nil || m.misses(usage)
}

// misses tells whether a process that was there when the server was ready is not among these.
func (m *member) misses(usage ollama.Consumption) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pid := range m.procs {
		if _, there := slices.BinarySearch(usage.Procs, pid); !there {
			return true
		}
	}
	return false
}
