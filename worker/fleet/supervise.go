package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"fluxworker/worker/ollama"
)

// Activity is the traffic of a server, for the watchdog.
type Activity interface {
	// InFlight returns the number of rows that are with the server.
	InFlight() int64
	// Completed returns the number of requests that the server has completed, successful or failed.
	Completed() int64
}

// Supervise keeps a server alive. It calls serve, which sends rows to the server until no row is left or the server is lost,
// and watches the server meanwhile. It starts a lost server again, after a pause that grows, as often as MaxRestarts allows,
// unless intake has ended. It returns gone, why the server is lost for good, or err, which ends the run. A server that runs
// already is not watched.
func (f *Fleet) Supervise(ctx, intake context.Context, s *Server, a Activity, serve func(ctx context.Context) (lost bool, err error)) (gone, err error) {
	for {
		stopWatching := f.watch(s, a)
		lost, err := serve(ctx)
		stopWatching()
		if err != nil || !lost {
			return nil, err
		}
		if intake.Err() != nil {
			return nil, nil // no new row comes
		}
		if gone, err = f.restart(ctx, intake, s); gone != nil || err != nil {
			return gone, err
		}
		if intake.Err() != nil {
			return nil, nil // restart started no server, or no new row comes
		}
	}
}

// restart starts a lost server again. It returns gone where a restart is not allowed or does not help.
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
		f.log.Error().Str("server", s.name).Err(ollama.WithLastLine(cause)).Stringer("pause", pause).Msg("server lost; starting it again")
		if !wait(intake, pause-rand.N(pause/4)) {
			return nil, nil // the grace is for rows in flight, and this server has no row
		}
		if lost := s.finalReason(); lost != nil { // its GPU was lost meanwhile
			return &ollama.ServerError{Op: "start server again", Err: lost}, nil
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

// restarted measures a restarted server, and writes the manifest where the server's numbers have changed. err is the error of
// the restart.
func (f *Fleet) restarted(ctx context.Context, s *Server, err error) {
	if err == nil {
		s.grown = f.grown(ctx, s)
		f.config.OnRestart(s.name)
	}
	if !f.record(s, err) {
		return
	}
	if err := f.recorder.Write(); err != nil {
		f.log.Warn().Err(err).Msg("the manifest of the restarted server is not written")
	}
}

// wait waits for the given time. It returns false when the context ends first.
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
