package worker

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/test/seed"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// pipes is a listener whose connections are made in memory, so that whoever waits for one waits in simulated time.
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

// ServeHTTP answers a chat after the time that a row takes. A request and an answer are on their way for half of the round trip.
func (s *sharedServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	time.Sleep(s.roundTrip / 2)
	tokens := s.answer(r.Context())
	time.Sleep(s.roundTrip / 2)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"model":"m","message":{"role":"assistant","content":"x"},"done":true,"done_reason":"stop","prompt_eval_count":5,"eval_count":%d,"eval_duration":1000}`, tokens)
}

// The slots of every server stay busy from the first row to the last, although a row is on its way for a twentieth of its time. Time is
// simulated, so what is measured is how rows are handed out, and not how quick this machine is.
func TestSlotsAreNeverIdle(t *testing.T) {
	t.Parallel()
	const slots, rowTime, roundTrip = 32, 20 * time.Millisecond, time.Millisecond
	for _, servers := range []int{1, 8} {
		t.Run(fmt.Sprint(servers), func(t *testing.T) {
			seed.EachNumber(t, seed.First(1), func(t *testing.T, seed uint64) {
				rows := 3200 + 1600*servers
				paths, err := result.PathsOf(t.TempDir()+"/out.jsonl", result.Shard{})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Test(t, func(t *testing.T) {
					output, err := result.Open(t.Context(), result.Options{Paths: paths, SyncEvery: time.Second})
					if err != nil {
						t.Fatal(err)
					}
					defer output.Release()
					r := &run{
						Config: Config{RequestTimeout: time.Hour, MaxRetries: 3},
						log:    zerolog.Nop(), output: output, counts: new(Counts), pending: newAhead(), servers: servers,
					}
					ctx, cancel := context.WithCancel(t.Context())
					var all sync.WaitGroup
					var members []*member
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
						members = append(members, &member{slots: slots, client: ollama.NewClientVia("sim", p.dial, inFlight(slots), ollama.Runner{Context: 512})})
					}
					all.Go(func() {
						defer close(r.pending.rows)
						for i := range rows {
							r.pending.put(ctx, prompt.Row{Index: int64(i), Request: prompt.Request{Model: "m", Sampling: prompt.Sampling{MaxTokens: 200}}})
						}
					})
					began := time.Now()
					if err := r.fanOut(ctx, ctx, members, <-r.pending.rows); err != nil {
						t.Error(err)
					}
					took := time.Since(began)
					if n := r.counts.ok.Load(); n != int64(rows) {
						t.Errorf("%d of %d rows are answered", n, rows)
					}
					if err := output.Close(); err != nil {
						t.Error(err)
					}
					for _, m := range members {
						m.client.Close()
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
