package dispatch

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/batcher"
	"fluxworker/test/seed"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// pipes is a listener with connections in memory, so that a wait for a connection takes simulated time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.IPAddr{} }

// ServeHTTP answers a chat after the time of a row. A request takes half of the round trip, and so does an answer.
func (s *sharedServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	time.Sleep(s.roundTrip / 2)
	tokens := s.answer(r.Context())
	time.Sleep(s.roundTrip / 2)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"model":"m","message":{"role":"assistant","content":"x"},"done":true,"done_reason":"stop","prompt_eval_count":5,"eval_count":%d,"eval_duration":1000}`, tokens)
}

// The slots of every server stay busy from the first row to the last, although the round trip takes a twentieth of a row's
// time. Time is simulated: the test measures the distribution of the rows, not the speed of this machine.
func TestSlotsAreNeverIdle(t *testing.T) {
	t.Parallel()
	const slots, rowTime, roundTrip = 32, 20 * time.Millisecond, time.Millisecond
	for _, servers := range []int{1, 8} {
		t.Run(fmt.Sprint(servers), func(t *testing.T) {
			seed.EachNumber(t, seed.First(1), func(t *testing.T, seed uint64) {
				rows := 3200 + 1600*servers
				synctest.Test(t, func(t *testing.T) {
					counted := new(countingSink)
					d := New(Config{RequestTimeout: time.Hour, MaxRetries: 3}, zerolog.Nop(), counted, nil)
					q := NewQueue(Order{LookAhead: 1 << 20})
					ctx, cancel := context.WithCancel(t.Context())
					var all sync.WaitGroup
					var clients []Server
					var simulated []*sharedServer
					for number := range servers {
						s := newSharedServer(rand.New(rand.NewPCG(seed, uint64(number))), slots, func(working int) float64 { return float64(working) * rowTokens / rowTime.Seconds() }, 0.5)
						s.roundTrip = roundTrip
						p := newPipes()
						web := &http.Server{Handler: s}
						all.Go(func() { s.run(ctx) })
						all.Go(func() { web.Serve(p) })
						defer web.Close()
						simulated = append(simulated, s)
						clients = append(clients, &simulatedServer{slots: slots, client: ollama.NewClientVia("sim", p.dial, batcher.InFlight(slots), ollama.Runner{Context: 512})})
					}
					all.Go(func() {
						defer q.Close()
						for i := range rows {
							q.Push(ctx, prompt.Row{Index: int64(i), Request: prompt.Request{Model: "m", Sampling: prompt.Sampling{MaxTokens: 200}}})
						}
					})
					began := time.Now()
					serve := func(ctx context.Context, _ int, lane *Lane) (gone, err error) {
						_, err = lane.Serve(ctx)
						return nil, err
					}
					if err := d.Run(ctx, ctx, q, clients, serve); err != nil {
						t.Error(err)
					}
					took := time.Since(began)
					if n := counted.rows.Load(); n != int64(rows) {
						t.Errorf("%d of %d rows are answered", n, rows)
					}
					for _, c := range clients {
						c.(*simulatedServer).client.Close()
					}
					for _, s := range simulated {
						if share := s.idleShare(); share > 0.01 {
							t.Errorf("its slots were idle for %.2f %% of the time until the last row", 100*share)
						}
					}
					alone := time.Duration(rows) * rowTime / time.Duration(servers*slots)
					t.Logf("%d rows in %s, %.3f of what the slots need without us; idle %.2f %%", rows, took, took.Seconds()/alone.Seconds(), 100*simulated[0].idleShare())
					cancel()
				})
			})
		})
	}
}

// simulatedServer is a server in simulated time that nothing ends.
type simulatedServer struct {
	slots  int
	client *ollama.Client
}

func (s *simulatedServer) Name() string                                        { return "sim" }
func (s *simulatedServer) Own() bool                                           { return false }
func (s *simulatedServer) Slots() int                                          { return s.slots }
func (s *simulatedServer) Context() int                                        { return 512 }
func (s *simulatedServer) Ending() bool                                        { return false }
func (s *simulatedServer) Blameless() bool                                     { return false }
func (s *simulatedServer) End(error, bool)                                     {}
func (s *simulatedServer) Exempt(int)                                          {}
func (s *simulatedServer) Lost() <-chan struct{}                               { return nil }
func (s *simulatedServer) Down(context.Context, *ollama.UnavailableError) bool { return false }
func (s *simulatedServer) Ask(ctx context.Context, within time.Duration, r prompt.Request, room *ollama.Room) (*ollama.Answer, error) {
	return s.client.AskWithin(ctx, within, r, room)
}

// countingSink counts the answered rows.
type countingSink struct{ rows atomic.Int64 }

func (s *countingSink) Answered(prompt.Row, []*ollama.Answer, int) error { s.rows.Add(1); return nil }
func (s *countingSink) Failed(prompt.Row, *ollama.RequestError, []*ollama.Answer, int) error {
	return nil
}
func (s *countingSink) Lost() <-chan struct{} { return nil }
func (s *countingSink) Err() error            { return nil }
