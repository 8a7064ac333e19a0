package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/test/seed"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// embedder is a server of an embedding model in simulated time: it has one slot, and computes one text after the other.
type embedder struct {
	simulatedServer
	own           bool
	request, text time.Duration // that a request costs, and each of its texts
	fails         func(texts int) error

	slot chan struct{} // no mutex: simulated time stands still while a goroutine waits for a mutex
	mu   sync.Mutex
	lost chan struct{} // closed when the server is gone

	asked  [][]string // texts of each request, in order
	tokens int        // of all answers
	deaths int
}

func newEmbedder(own bool) *embedder {
	return &embedder{
		simulatedServer: simulatedServer{slots: 1}, own: own, request: 4 * time.Millisecond, text: time.Millisecond,
		slot: make(chan struct{}, 1), fails: func(int) error { return nil }, lost: make(chan struct{}),
	}
}

func (e *embedder) Own() bool { return e.own }

func (e *embedder) Lost() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lost
}

func (e *embedder) isLost() bool {
	select {
	case <-e.Lost():
		return true
	default:
		return false
	}
}

func (e *embedder) Down(context.Context, *ollama.UnavailableError) bool { return e.isLost() }
func (e *embedder) Ending() bool                                        { return e.isLost() }

// end ends the server, restart starts it again.
func (e *embedder) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deaths++
	close(e.lost)
}

func (e *embedder) restart() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost = make(chan struct{})
}

func vectorOf(text string, dimensions int) []float32 {
	return []float32{float32(len(text)), float32(text[len(text)-1]), float32(dimensions)}
}

func tokensOf(text string) int { return 2 + len(strings.Fields(text)) }

// Ask answers a request whose texts are all good. A text that begins with "bad" is refused, and "poison" ends the server.
func (e *embedder) Ask(ctx context.Context, _ time.Duration, r prompt.Request, _ *ollama.Room) (*ollama.Answer, error) {
	texts := r.Embedding.Input
	e.slot <- struct{}{}
	defer func() { <-e.slot }()
	switch {
	case ctx.Err() != nil:
		return nil, context.Canceled
	case e.isLost():
		return nil, &ollama.UnavailableError{Err: errors.New("connection refused")}
	}
	e.asked = append(e.asked, slices.Clone(texts))
	time.Sleep(e.request + time.Duration(len(texts))*e.text)
	a := new(ollama.Answer)
	for _, text := range texts {
		switch {
		case strings.HasPrefix(text, "poison"):
			e.end()
			return nil, &ollama.UnavailableError{Err: errors.New("connection reset")}
		case strings.HasPrefix(text, "bad"):
			return nil, &ollama.RequestError{Status: 400, Code: ollama.CodeInvalidRequest, Message: "bad text"}
		}
		a.Vectors = append(a.Vectors, vectorOf(text, r.Embedding.Dimensions))
		a.PromptTokens += tokensOf(text)
	}
	if err := e.fails(len(texts)); err != nil {
		return nil, err
	}
	e.tokens += a.PromptTokens
	return a, nil
}

// lineSink keeps the line of each row.
type lineSink struct {
	mu       sync.Mutex
	answered map[int64]*ollama.Answer
	refused  map[int64]string // codes
	twice    []int64          // rows with two lines
}

func newLineSink() *lineSink {
	return &lineSink{answered: make(map[int64]*ollama.Answer), refused: make(map[int64]string)}
}

func (s *lineSink) note(index int64) {
	_, refused := s.refused[index]
	if s.answered[index] != nil || refused {
		s.twice = append(s.twice, index)
	}
}

func (s *lineSink) Answered(row prompt.Row, answers []*ollama.Answer, _ int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(row.Index)
	s.answered[row.Index] = answers[0]
	return nil
}

func (s *lineSink) Failed(row prompt.Row, e *ollama.RequestError, _ []*ollama.Answer, _ int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(row.Index)
	s.refused[row.Index] = e.Code
	return nil
}

func (s *lineSink) Lost() <-chan struct{} { return nil }
func (s *lineSink) Err() error            { return nil }

// embedRow returns a row with these texts.
func embedRow(index int64, dimensions int, texts ...string) prompt.Row {
	return prompt.Row{Index: index, Request: prompt.Request{
		Endpoint: prompt.Embeddings, Model: "m", Embedding: &prompt.Embedding{Input: texts, Dimensions: dimensions},
	}}
}

// askAllOf sends the rows to the servers, until the end of intake or of the rows. A server that is lost is started again.
func askAllOf(t *testing.T, intake, requests context.Context, o Order, rows []prompt.Row, sink Sink, deferrer Deferrer, servers ...*embedder) {
	t.Helper()
	d := New(Config{RequestTimeout: time.Hour, StallTimeout: time.Hour, MaxRetries: 3, RetryDelay: time.Second}, zerolog.Nop(), sink, deferrer)
	q := NewQueue(o)
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() {
		defer q.Close()
		for _, row := range rows {
			q.Push(intake, row)
		}
	})
	all := make([]Server, len(servers))
	for i, s := range servers {
		all[i] = s
	}
	if err := d.Run(intake, requests, q, all, func(ctx context.Context, i int, lane *Lane) (gone, err error) {
		for {
			lost, err := lane.Serve(ctx)
			if !lost || err != nil {
				return nil, err
			}
			servers[i].restart()
		}
	}); err != nil {
		t.Error(err)
	}
	if left := d.breaker.undone.Load(); left > 0 {
		t.Errorf("%d rows stay undone", left)
	}
}

var order = Order{LookAhead: 1 << 20}

// Every row gets exactly one line with its own vectors, whatever its neighbours in a request are: rows of several texts and of
// other dimensions, rows that the server refuses, rows that are deferred, a row that ends the server, and failures of requests.
// The tokens of all rows are those that the server has counted.
func TestRowsThatShareRequests(t *testing.T) {
	t.Parallel()
	seed.EachNumber(t, seed.First(20), func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		var rows []prompt.Row
		want := make(map[int64]string) // "" is an answer
		deferred := &deferring{every: int64(random.IntN(3)) * 7}
		poison := random.IntN(400)
		for i := range int64(400) {
			texts := make([]string, 1)
			switch random.IntN(20) {
			case 0:
				texts = make([]string, 2+random.IntN(3))
			case 1:
				texts = make([]string, 40)
			}
			for j := range texts {
				texts[j] = fmt.Sprintf("row %d text %d%s", i, j, strings.Repeat(" x", random.IntN(20)))
			}
			want[i] = ""
			switch {
			case int(i) == poison:
				texts[0] = "poison"
				want[i] = CodePoisonRow
			case random.IntN(40) == 0:
				texts[random.IntN(len(texts))] = fmt.Sprint("bad text of row ", i)
				want[i] = ollama.CodeInvalidRequest
			}
			rows = append(rows, embedRow(i, 8*random.IntN(2), texts...))
		}
		synctest.Test(t, func(t *testing.T) {
			sink := newLineSink()
			servers := []*embedder{newEmbedder(true), newEmbedder(true)}
			var drawing sync.Mutex // the servers answer at the same time
			for _, s := range servers {
				s.fails = func(texts int) error {
					drawing.Lock()
					defer drawing.Unlock()
					shared := texts > 4 && texts < 40
					switch n := random.IntN(30); {
					case n == 0 && shared:
						return &ollama.RequestError{Status: 400, Message: "no"}
					case n == 1:
						return &ollama.UnavailableError{Status: 503, Err: errors.New("busy")}
					case n == 2 && shared:
						return ollama.ErrNoRoom
					}
					return nil
				}
			}
			var d Deferrer
			if deferred.every > 0 {
				d = deferred
			}
			askAllOf(t, t.Context(), t.Context(), order, rows, sink, d, servers...)
			counted, deaths := 0, 0
			for _, s := range servers {
				counted += s.tokens
				deaths += s.deaths
			}
			checkRequests(t, rows, servers...)
			for _, row := range rows {
				own := row.Request.Embedding
				a, code := sink.answered[row.Index], sink.refused[row.Index]
				switch {
				case deferred.defers(row.Index):
					if a != nil || code != "" || !slices.Contains(deferred.rows, row.Index) {
						t.Errorf("row %d, which is deferred, has a line", row.Index)
					}
				case code != want[row.Index] || (code == "") != (a != nil):
					t.Errorf("row %d: answer %v, code %q, want %q", row.Index, a, code, want[row.Index])
				case a != nil:
					for j, text := range own.Input {
						if len(a.Vectors) != len(own.Input) || !slices.Equal(a.Vectors[j], vectorOf(text, own.Dimensions)) {
							t.Fatalf("row %d has the vectors %v", row.Index, a.Vectors)
						}
					}
					counted -= a.PromptTokens
					if exact := tokensOfAll(own.Input); !a.Estimated && a.PromptTokens != exact || 2*a.PromptTokens < exact || a.PromptTokens > 2*exact {
						t.Errorf("row %d: %d tokens, estimated: %t; want %d", row.Index, a.PromptTokens, a.Estimated, exact)
					}
				}
			}
			if len(sink.twice) > 0 || counted != 0 {
				t.Errorf("rows %v have two lines; %d tokens are missing", sink.twice, counted)
			}
			if asked := !deferred.defers(int64(poison)); asked && deaths != deathsToSuspect+1 || !asked && deaths > 0 {
				t.Errorf("the servers died %d times", deaths)
			}
		})
	})
}

func tokensOfAll(texts []string) int {
	n := 0
	for _, text := range texts {
		n += tokensOf(text)
	}
	return n
}

// checkRequests checks that no request is too large or mixes dimensions, and that a row is in a request with others at most
// once: from its failure on it is alone.
func checkRequests(t *testing.T, rows []prompt.Row, servers ...*embedder) {
	t.Helper()
	of, times := make(map[string]prompt.Row), make(map[int64]int)
	for _, row := range rows {
		of[row.Request.Embedding.Input[0]] = row
	}
	var asked [][]string
	for _, s := range servers {
		asked = append(asked, s.asked...)
	}
	for _, texts := range asked {
		if len(texts) == len(of[texts[0]].Request.Embedding.Input) {
			continue // a row that is asked alone
		}
		if len(texts) > maxTexts {
			t.Errorf("a shared request has %d texts", len(texts))
		}
		for i := 0; i < len(texts); {
			row, known := of[texts[i]]
			if !known || row.Request.Embedding.Dimensions != of[texts[0]].Request.Embedding.Dimensions {
				t.Fatalf("a shared request mixes %v", texts)
			}
			if times[row.Index]++; times[row.Index] > 1 {
				t.Errorf("row %d is in two shared requests", row.Index)
			}
			i += len(row.Request.Embedding.Input)
		}
	}
	if len(times) < len(rows)/2 {
		t.Errorf("only %d of %d rows shared a request", len(times), len(rows))
	}
}

// deferring defers a part of the rows before they are asked.
type deferring struct {
	every int64 // the deferrer defers each row whose number is a multiple of every; 0 defers no row
	mu    sync.Mutex
	rows  []int64
}

func (d *deferring) defers(index int64) bool { return d.every > 0 && index%d.every == 0 }

func (d *deferring) TooLong(row *prompt.Row) (bool, error) {
	if !d.defers(row.Index) {
		return false, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows = append(d.rows, row.Index)
	return true, nil
}

func (d *deferring) Refused(_ *prompt.Row, refused *ollama.RequestError, _ int) (bool, *ollama.RequestError, error) {
	return false, refused, nil
}

func (d *deferring) Learn(*prompt.Row, *ollama.Answer) {}

// shortRows returns rows with a short text each.
func shortRows(n int) []prompt.Row {
	var rows []prompt.Row
	for i := range int64(n) {
		rows = append(rows, embedRow(i, 0, fmt.Sprintf("text %d", i)))
	}
	return rows
}

// Of short texts most of the time is the request: many rows in a request take little of it. Rows whose texts take longer share
// requests of about a second, and none where a text takes longer.
func TestSharedRequestsAreAsLongAsTheyNeed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		request, text time.Duration
		rows          int
		texts         int // of the largest request, at most
		atMost        time.Duration
	}{
		{4 * time.Millisecond, time.Millisecond, 1000, maxTexts, 1300 * time.Millisecond}, // 5 s for rows that are asked alone
		{4 * time.Millisecond, 100 * time.Millisecond, 100, 10, 11 * time.Second},
		{4 * time.Millisecond, 2 * time.Second, 20, 1, 41 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, sink := newEmbedder(false), newLineSink()
			s.request, s.text = tt.request, tt.text
			began := time.Now()
			askAllOf(t, t.Context(), t.Context(), order, shortRows(tt.rows), sink, nil, s)
			largest := 0
			for _, texts := range s.asked {
				largest = max(largest, len(texts))
			}
			if took := time.Since(began); took > tt.atMost || largest > tt.texts || len(sink.answered) != tt.rows {
				t.Errorf("%s a text: %d of %d rows in %s, up to %d in a request; want %s and %d", tt.text, len(sink.answered), tt.rows, took, largest, tt.atMost, tt.texts)
			}
		})
	}
}

// No server takes rows that another server could answer sooner.
func TestFewRowsAreSharedOut(t *testing.T) {
	t.Parallel()
	const servers, rows = 4, 64
	synctest.Test(t, func(t *testing.T) {
		var all []*embedder
		for range servers {
			s := newEmbedder(false)
			s.text = 20 * time.Millisecond
			all = append(all, s)
		}
		began := time.Now()
		askAllOf(t, t.Context(), t.Context(), order, shortRows(rows), newLineSink(), nil, all...)
		alone := rows * (all[0].request + all[0].text) / servers
		if took := time.Since(began); took > alone {
			t.Errorf("%d rows took %s on %d servers, more than the %s of rows that are asked alone", rows, took, servers, alone)
		}
	})
}

// A row that would not fit the context is asked alone, so that its refusal costs no other row a second request.
func TestLongTextsAreAskedAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, rows := newEmbedder(false), shortRows(100)
		long := strings.Repeat("word ", 300) // the context has 512 tokens
		for i := 0; i < len(rows); i += 10 {
			rows[i].Request.Embedding.Input[0] = long
		}
		askAllOf(t, t.Context(), t.Context(), order, rows, newLineSink(), nil, s)
		for _, texts := range s.asked {
			if len(texts) > 1 && slices.Contains(texts, long) {
				t.Errorf("a long text shares a request with %d others", len(texts)-1)
			}
		}
	})
}

// The end of the intake lets requests in flight end; the end of the requests leaves their rows undone. No row has two lines.
func TestSharedRequestsAtTheEndOfARun(t *testing.T) {
	t.Parallel()
	for _, abort := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, sink := newEmbedder(true), newLineSink()
			s.text = 20 * time.Millisecond
			intake, stop := context.WithCancel(t.Context())
			requests, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(2*time.Second, func() {
				stop()
				if abort {
					cancel()
				}
			})
			askAllOf(t, intake, requests, order, shortRows(1000), sink, nil, s)
			asked := 0
			for _, texts := range s.asked {
				asked += len(texts)
			}
			if n := len(sink.answered); n == 0 || n == 1000 || len(sink.twice) > 0 || !abort && n != asked {
				t.Errorf("abort %t: %d rows were asked and %d have lines, %d twice", abort, asked, n, len(sink.twice))
			}
		})
	}
}

// With the order of the input no row overtakes another.
func TestCompanionsInTheOrderOfTheInput(t *testing.T) {
	t.Parallel()
	for _, inOrder := range []bool{false, true} {
		w := newWindow(1 << 20)
		for i := range int64(9) {
			w.add(task{row: embedRow(i, 8*int(i/3%2), "text")}, false) // three rows of one kind, and three of another
		}
		first := w.tasks[0].task
		w.remove(0)
		var got []int64
		for _, t := range w.join(joining{with: &first.row.Request, room: load{texts: 31, weight: maxLoad, longest: 256}}, 4, inOrder) {
			got = append(got, t.row.Index)
		}
		want := []int64{1, 2, 6, 7}
		if inOrder {
			want = want[:2]
		}
		if !slices.Equal(got, want) || len(w.tasks) != 8-len(want) {
			t.Errorf("in order %t: row 0 goes with %v, want %v; %d rows wait", inOrder, got, want, len(w.tasks))
		}
	}
}
