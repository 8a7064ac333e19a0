package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"fluxworker/worker/ollama"
)

const (
	// slowdown is how many times slower than before a server must have become.
	slowdown = 4
	// leastSamples is how many answers make one measurement, at least; their median counts.
	leastSamples = 32
	// restBetween is how many times SlowAfter lies at least between two checks of a server: each empties its slots.
	restBetween = 6
)

// pace watches the speed of one server. Some servers become slow for good: on a GPU that another process fills, after a
// reload on the CPU, or for reasons of their own. Only a new start helps these.
//
// What makes one row slower than another must not be taken for that: a long prompt, or long prompts in the other slots. So
// the rows only raise the suspicion, by answers of which others filled the slots meanwhile. The verdict is the server's
// speed at one and the same request with nothing else in flight, measured when it was ready and again now.
type pace struct {
	slots int
	after time.Duration // how long answers must be slow; 0 never suspects

	atStart float64 // tokens per second at the request that is always the same; 0 where not known

	mu       sync.Mutex
	samples  []float64 // tokens per second of the last answers
	best     float64   // the best median of them so far
	since    time.Time // when the answers became slow; zero while they are not
	checked  time.Time
	suspects chan struct{} // closed while the server is suspected
}

func newPace(slots int, after time.Duration, atStart float64) *pace {
	return &pace{slots: slots, after: after, atStart: atStart, suspects: make(chan struct{})}
}

// note takes an answer that shared the server with others that filled its slots.
func (p *pace) note(now time.Time, a *ollama.Answer) {
	speed := a.TokensPerSecond()
	if p.after == 0 || p.atStart == 0 || speed == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.samples = append(p.samples, speed)
	if len(p.samples) < max(leastSamples, 4*p.slots) {
		return
	}
	slices.Sort(p.samples)
	median := p.samples[len(p.samples)/2]
	p.samples = p.samples[:0]
	switch {
	case median*slowdown >= p.best:
		p.best, p.since = max(p.best, median), time.Time{}
	case p.since.IsZero():
		p.since = now
	case now.Sub(p.since) >= p.after && now.Sub(p.checked) >= restBetween*p.after:
		select {
		case <-p.suspects:
		default:
			close(p.suspects)
		}
	}
}

// suspected is closed once the server is suspected, until acquit.
func (p *pace) suspected() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.suspects
}

// acquit takes the speed of the rows to come for the usual one.
func (p *pace) acquit(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.samples, p.best, p.since, p.checked = p.samples[:0], 0, time.Time{}, now
	p.suspects = make(chan struct{})
}

// gauge measures a server that has just become ready.
func (r *run) gauge(ctx context.Context, m *member) error {
	if r.SlowAfter == 0 {
		m.pace = newPace(m.slots, 0, 0)
		return nil
	}
	bounded, cancel := loading(ctx, r.Server.LoadTimeout)
	defer cancel()
	speed, err := m.client.Gauge(bounded, r.Defaults.Model)
	if err != nil {
		return serverError(m.server, "", because(bounded, err))
	}
	r.log.Debug().Str("server", m.name).Float64("tokens_per_second", speed).Msg("speed of one slot")
	m.pace = newPace(m.slots, r.SlowAfter, speed)
	return nil
}

// checkPace measures a suspected server that has no row, and ends it where it has become slow for good. It returns errLost
// then. A server that may not be started again is kept: a slow one is better than none.
func (r *run) checkPace(ctx context.Context, m *member) error {
	reason, err := r.slow(ctx, m)
	m.pace.acquit(time.Now())
	switch {
	case err != nil:
		return err
	case reason == nil:
		r.log.Info().Str("server", m.name).Msg("answers have become slower, but the server has not: it is the rows")
		return nil
	case m.recentRestarts() >= r.MaxRestarts:
		r.log.Warn().Str("server", m.name).Err(reason).Int("max_restarts", r.MaxRestarts).Msg("the server has become slow; it may not be started again")
		return nil
	}
	m.end(ending{reason: reason, innocent: true})
	return errLost
}

// errSuspected is the end of serveMember when the server is to be checked; no row is with it.
var errSuspected = errors.New("server suspected of having become slow")

// slow is why the server counts as slow, or nil. A single measurement may be unlucky, so the best of three counts.
func (r *run) slow(ctx context.Context, m *member) (reason, err error) {
	bounded, cancel := loading(ctx, r.Server.LoadTimeout)
	defer cancel()
	if is, err := m.client.Loaded(bounded, r.Defaults.Model); err == nil && is.GPUBytes < m.footprint.GPUBytes {
		return fmt.Errorf("only %d of the model's %d MiB are on the GPU any more", is.GPUBytes>>20, m.footprint.GPUBytes>>20), nil
	}
	now := 0.0
	for range 3 {
		speed, err := m.client.Gauge(bounded, r.Defaults.Model)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return fmt.Errorf("its speed cannot be measured any more: %w", err), nil
		}
		if now = max(now, speed); now*slowdown >= m.pace.atStart {
			return nil, nil
		}
	}
	return fmt.Errorf("it has become slow: %.3g tokens per second where it made %.3g when it was ready", now, m.pace.atStart), nil
}
