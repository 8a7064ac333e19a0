package worker

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/ollama"
)

const (
	// windowTurns is how often the rows in flight are replaced by others during one measurement. They are counted in whole
	// turns: rows of equal length that began together end together, and half a turn would show half of them.
	windowTurns = 3
	// leastAnswers make a window, too: rows of any length must not differ from those of the window before on average.
	leastAnswers = 96
	// shortestWindow keeps quick servers from being judged by a few milliseconds.
	shortestWindow = 500 * time.Millisecond
	// exploreAfter and exploreTurns are what a server does at what the plan allows before other levels are tried: a run that
	// ends before that has nothing to win. After exploreLong the turns do not count: then the plan may be why they take long.
	exploreAfter = 15 * time.Second
	exploreTurns = 16
	exploreLong  = 10 * time.Minute
	// exploreBudget is the part of the time so far that may be lost by trying levels that turn out worse.
	exploreBudget = 0.05
	// driftShare is by how much throughput at the knee must have changed for the rows to be others than those that the knee was
	// found with, and exploreAgain how long a knee stays in any case.
	driftShare   = 0.25
	exploreAgain = 10 * time.Minute
	// tooManyFailures is the part of the requests that a server may fail before fewer are sent to it at once. Below it the
	// retries do.
	tooManyFailures = 0.2
	leastFailures   = 8
)

// flow is how many rows are with one server at once. It measures the tokens per second of each number that it tries, and
// stays with the knee; see climb. A server is asked through any number of goroutines: those above the limit wait.
type flow struct {
	planned int // the most rows in flight: the slots, and those that wait at the door
	log     zerolog.Logger
	limit   atomic.Int64
	over    chan struct{} // closed by end: nobody need wait to be let in any more
	end     func()

	// What the server has done. The askers add to it without a lock, and one of them takes stock when as many requests have
	// ended as the target says.
	answers   atomic.Int64
	failures  atomic.Int64
	target    atomic.Int64
	occupancy atomic.Int64 // rows that were in flight, summed up over the answers
	prompt    work
	written   work

	mu       sync.Mutex
	changed  chan struct{} // closed and renewed with each change of the limit
	climb    climb
	began    time.Time // when the window did; zero while the rows of the level before are still in flight
	start    sample    // what had been done by then
	first    time.Time // when the first answer at all came
	price    float64   // of a prompt's token, in written ones; negative until it is known
	lost     time.Duration
	settled  time.Time // when the knee was found; zero while it is looked for
	atKnee   float64   // tokens per second then
	drifted  int       // windows in a row that were far from that
	backedTo *backoff
}

// work is tokens and the time that the server took for them.
type work struct{ tokens, nanoseconds atomic.Int64 }

func (w *work) add(tokens int, d time.Duration) {
	w.tokens.Add(int64(tokens))
	w.nanoseconds.Add(int64(d))
}

// sample is a moment of a flow.
type sample struct {
	answers, failures, occupancy int64
	prompt, written              int64 // tokens
}

// backoff is a step down because of failures, until it is known whether that helped.
type backoff struct {
	from     int
	failures float64 // the part of the requests that failed there
	useless  bool    // fewer at once fail as often
}

func newFlow(slots int, log zerolog.Logger) *flow {
	planned := inFlight(slots)
	f := &flow{planned: planned, log: log, changed: make(chan struct{}), climb: climb{slots: slots, most: planned}, price: -1}
	f.over = make(chan struct{})
	f.end = sync.OnceFunc(func() { close(f.over) })
	f.set(planned)
	return f
}

// enter waits until the asker with this number, from 0, may take a row, or has another reason to look up.
func (f *flow) enter(ctx context.Context, number int, ended, pause <-chan struct{}) {
	for int64(number) >= f.limit.Load() {
		f.mu.Lock()
		changed, limit := f.changed, f.limit.Load()
		f.mu.Unlock()
		if int64(number) < limit {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-f.over:
			return
		case <-ended:
			return
		case <-pause:
			return
		}
	}
}

// fills tells whether so many rows keep this many slots busy, or all that the flow lets in.
func (f *flow) fills(asking int64, slots int) bool {
	return asking >= min(int64(slots), f.limit.Load())
}

// answered takes an answer, which came when so many rows were with the server.
func (f *flow) answered(a *ollama.Answer, asking int64) {
	f.prompt.add(a.PromptTokens, a.Timings.Prompt)
	f.written.add(a.CompletionTokens, a.Timings.Generation)
	f.occupancy.Add(asking)
	if f.answers.Add(1)+f.failures.Load() >= f.target.Load() {
		f.takeStock(time.Now())
	}
}

// failed takes a failure of a server that lives.
func (f *flow) failed() {
	f.failures.Add(1)
	f.takeStock(time.Now())
	f.mu.Lock()
	defer f.mu.Unlock()
	done := f.sample()
	failures, answers := done.failures-f.start.failures, done.answers-f.start.answers
	share := float64(failures) / float64(failures+answers)
	if !f.began.IsZero() && failures >= leastFailures && share >= tooManyFailures {
		f.backOff(share)
	}
}

// backOff lets fewer rows in after too many failures, until there are fewer of these. Where a quarter of the rows fails as
// often, their number is not the cause.
func (f *flow) backOff(share float64) {
	level := int(f.limit.Load())
	switch b := f.backedTo; {
	case level == 1 || b != nil && b.useless:
	case b == nil:
		f.backedTo = &backoff{from: level, failures: share}
		f.settled = time.Time{}
		f.set(max(1, level*3/4))
	case level > max(1, b.from/4):
		f.set(max(1, level*3/4))
	default:
		b.useless = true
		f.set(b.from)
	}
}

// takeStock ends a window, or the wait for one to begin.
func (f *flow) takeStock(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	level := f.limit.Load()
	switch {
	case f.ended() < f.target.Load(): // not yet, or somebody else did it
	case f.first.IsZero():
		f.first = now
		f.begin(now)
	case f.began.IsZero():
		f.begin(now)
	case now.Sub(f.began) < shortestWindow:
		f.target.Store(f.ended() + min(level, int64(f.climb.slots)))
	default:
		f.measure(now)
	}
}

// begin starts a window.
func (f *flow) begin(now time.Time) {
	f.began, f.start = now, f.sample()
	turn := min(f.limit.Load(), int64(f.climb.slots))
	f.target.Store(f.ended() + turn*max(windowTurns, (leastAnswers+turn-1)/turn))
}

// ended is how many requests came to an end, good or bad.
func (f *flow) ended() int64 { return f.answers.Load() + f.failures.Load() }

func (f *flow) sample() sample {
	return sample{
		answers: f.answers.Load(), failures: f.failures.Load(), occupancy: f.occupancy.Load(),
		prompt: f.prompt.tokens.Load(), written: f.written.tokens.Load(),
	}
}

// measure ends a window and decides what is next.
func (f *flow) measure(now time.Time) {
	done, took, level := f.sample(), now.Sub(f.began), int(f.limit.Load())
	answers := done.answers - f.start.answers
	failures := done.failures - f.start.failures
	if f.price < 0 {
		f.price = f.priceOfPrompts()
	}
	tokens := float64(done.written-f.start.written) + f.price*float64(done.prompt-f.start.prompt)
	full := float64(done.occupancy-f.start.occupancy) >= 0.8*float64(answers)*float64(level)
	f.begin(now)
	if !full && answers > 0 {
		return // the input, not the server, set the pace
	}
	l := Level{InFlight: level, TokensPerSecond: tokens / took.Seconds(), Answers: answers, Failures: failures, Seconds: took.Seconds()}
	f.climb.note(l)
	if f.settled.IsZero() {
		f.lost += time.Duration(f.climb.loss(l) * float64(took))
	}
	f.judgeBackoff(l)
	f.decide(now, l)
}

// priceOfPrompts is what reading a token of a prompt costs where writing one costs 1, by the server's own times. So rows
// with long prompts and rows with long answers count alike.
func (f *flow) priceOfPrompts() float64 {
	prompt, written := f.prompt.nanoseconds.Load(), f.written.nanoseconds.Load()
	if prompt <= 0 || written <= 0 || f.prompt.tokens.Load() == 0 || f.written.tokens.Load() == 0 {
		return 1
	}
	price := float64(prompt) / float64(f.prompt.tokens.Load()) * float64(f.written.tokens.Load()) / float64(written)
	return min(price, 1)
}

// judgeBackoff finds out whether fewer rows at once fail less often.
func (f *flow) judgeBackoff(l Level) {
	b := f.backedTo
	if b == nil || b.useless || l.InFlight >= b.from {
		return
	}
	if share := float64(l.Failures) / float64(l.Failures+l.Answers); share >= b.failures/2 {
		f.backOff(share)
		return
	}
	f.backedTo = nil
	f.climb.most = l.InFlight
	f.climb.curve = slices.DeleteFunc(f.climb.curve, func(o Level) bool { return o.InFlight > l.InFlight })
	f.log.Warn().Int("in_flight", l.InFlight).Int("planned", f.planned).Msg("the server fails fewer requests with fewer at once")
}

// decide moves to the next level where one is to be tried.
func (f *flow) decide(now time.Time, l Level) {
	if f.limit.Load() != int64(l.InFlight) {
		return // there was a step down, or it was taken back
	}
	if !f.settled.IsZero() {
		f.lookAgain(now, l)
		return
	}
	running := now.Sub(f.first)
	if running < exploreAfter || running < exploreLong && f.answers.Load() < exploreTurns*int64(f.climb.most) {
		return
	}
	level, known := f.climb.next()
	if known {
		f.settled, f.drifted = now, 0
		_, knee := f.climb.best()
		f.atKnee = f.climb.curve[knee].TokensPerSecond
		f.log.Debug().Int("in_flight", level).Int("planned", f.planned).Float64("tokens_per_second", f.atKnee).Msg("found the number in flight")
	} else if float64(f.lost) > exploreBudget*float64(running) {
		_, knee := f.climb.best()
		level = f.climb.curve[knee].InFlight
	}
	if level != l.InFlight {
		f.set(level)
	}
}

// lookAgain looks for the knee anew where the rows have changed so much that it may lie elsewhere, and where failures that
// may be over were the reason to stay below the plan.
func (f *flow) lookAgain(now time.Time, l Level) {
	if l.TokensPerSecond >= (1-driftShare)*f.atKnee && l.TokensPerSecond <= (1+driftShare)*f.atKnee {
		f.drifted = 0
	} else {
		f.drifted++
	}
	if now.Sub(f.settled) < exploreAgain || f.drifted < 2 && f.climb.most == f.planned {
		return
	}
	f.settled, f.lost, f.first = time.Time{}, 0, now
	f.climb.most, f.climb.curve = f.planned, []Level{l}
}

// set changes the limit. The rows in flight come to their end, and the window begins when they have.
func (f *flow) set(level int) {
	before := f.limit.Swap(int64(level))
	close(f.changed)
	f.changed = make(chan struct{})
	f.settle(max(before, int64(level)))
}

// settle begins a window once so many more requests have ended.
func (f *flow) settle(requests int64) {
	f.began = time.Time{}
	f.target.Store(f.ended() + requests)
}

// resume goes on after a time without rows in flight.
func (f *flow) resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.backedTo = nil
	f.settle(f.limit.Load())
}

// InFlight is how many rows were with a server at once, for summary.json.
type InFlight struct {
	Server  string  `json:"server"`
	Planned int     `json:"planned"`           // its slots, and those that wait at its door
	Last    int     `json:"last"`              // at the end of the run
	Found   bool    `json:"found"`             // false where the run was too short to look for the knee, or ended before
	After   float64 `json:"after_s,omitempty"` // of answering, until the knee was found
	Curve   []Level `json:"curve"`
}

// stand is the flow's account of itself.
func (f *flow) stand(server string) InFlight {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := InFlight{Server: server, Planned: f.planned, Last: int(f.limit.Load()), Found: !f.settled.IsZero(), Curve: slices.Clone(f.climb.curve)}
	if s.Found {
		s.After = f.settled.Sub(f.first).Seconds()
	}
	return s
}
