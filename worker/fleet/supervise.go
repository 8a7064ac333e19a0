package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"fluxworker/worker/ollama"
)

// Activity is what the watchdog sees of a server's traffic.
type Activity interface {
	InFlight() int64  // rows that are with the server
	Completed() int64 // requests that came to an end, good or bad
}

// Supervise calls serve, which sends rows to the server until there are none left or the server is lost, watches the server
// meanwhile, and starts a lost server again, after a pause that grows, as often as MaxRestarts allows. It returns gone, the cause,
// when a new start does not help. A server that somebody else runs is not watched.
func (f *Fleet) Supervise(ctx, intake context.Context, s *Server, a Activity, serve func(ctx context.Context) (lost bool, err error)) (gone, err error) {
	for {
		stopWatching := f.watch(s, a)
		lost, err := serve(ctx)
		stopWatching()
		if err != nil || !lost {
			return nil, err
		}
		if intake.Err() != nil {
			return nil, nil // no row would be taken any more
		}
		if gone, err = f.restart(ctx, intake, s); gone != nil || err != nil {
			return gone, err
		}
		if intake.Err() != nil {
			return nil, nil // nothing was started, or nothing would be taken
		}
	}
}

// restart starts a lost server again. It returns gone where that is not allowed or does not help.
func (f *Fleet) restart(ctx, intake context.Context, s *Server) (gone, err error) {
	cause, final := s.lossError()
	for {
		if final {
			return cause, nil
		}
		restarts := s.recentRestarts()
		if restarts >= f.config.MaxRestarts {
			return fmt.Errorf("%w (started again %d times within %s, --max-restarts)", cause, restarts, restartWindow), nil
		}
		pause := time.Second << min(restarts, 5) / 2
		f.log.Error().Str("server", s.name).Err(ollama.WithoutLog(cause)).Stringer("pause", pause).Msg("server lost; starting it again")
		if !wait(intake, pause-rand.N(pause/4)) {
			return nil, nil // the signal's grace is for rows in flight, and this server has none
		}
		s.countRestart()
		s.stop()
		err := f.startVerified(ctx, s)
		f.restarted(ctx, s, err)
		if err == nil {
			return nil, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if _, offloaded := errors.AsType[*OffloadError](err); offloaded || errors.Is(err, ollama.ErrModelMissing) {
			final = true
		}
		cause = err
	}
}

// restarted measures a server that was started again and writes the manifest where the server serves with other numbers now.
func (f *Fleet) restarted(ctx context.Context, s *Server, err error) {
	if err == nil {
		s.grown = f.grown(ctx, s)
	}
	if !f.record(s, err) {
		return
	}
	if err := f.recorder.Write(); err != nil {
		f.log.Warn().Err(err).Msg("the manifest does not tell how the server was started again")
	}
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
