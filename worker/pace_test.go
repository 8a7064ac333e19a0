package worker

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/test/seed"
	"fluxworker/worker/ollama"
)

// answerAt is an answer of so many tokens, generated at so many tokens per second.
func answerAt(tokens int, speed float64) *ollama.Answer {
	return &ollama.Answer{
		CompletionTokens: tokens,
		Timings:          ollama.Timings{Generation: time.Duration(float64(tokens-1) / speed * float64(time.Second))},
	}
}

func TestPaceSuspects(t *testing.T) {
	t.Parallel()
	seed.Each(t, seed.First(1), func(t *testing.T, random *rand.Rand) {
		steady := func(int) *ollama.Answer { return answerAt(2+random.IntN(500), 50) }
		tests := []struct {
			name   string
			answer func(second int) *ollama.Answer // one each second
			want   bool
		}{
			{"the same speed", steady, false},
			// A row with a long prompt in another slot makes an answer several times slower, and a short one shows it most.
			{"short and long rows", func(int) *ollama.Answer {
				return answerAt(2+random.IntN(1000), 50/(1+9*random.Float64()*random.Float64()))
			}, false},
			{"answers of one token", func(int) *ollama.Answer { return answerAt(1, 50) }, false},
			{"half as fast", func(s int) *ollama.Answer {
				if s > 2000 {
					return answerAt(100, 25)
				}
				return steady(s)
			}, false},
			{"slow for five minutes", func(s int) *ollama.Answer {
				if s > 2000 && s < 2300 {
					return answerAt(100, 2)
				}
				return steady(s)
			}, false},
			{"slow for good", func(s int) *ollama.Answer {
				if s > 2000 {
					return answerAt(2+random.IntN(500), 5)
				}
				return steady(s)
			}, true},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				p := newPace(8, 10*time.Minute, 60)
				began := time.Now()
				for second := range 6000 {
					p.note(began.Add(time.Duration(second)*time.Second), tt.answer(second))
				}
				if got := isClosed(p.suspected()); got != tt.want {
					t.Errorf("suspected is %t, want %t", got, tt.want)
				}
			})
		}
	})
}

// Whoever was suspected for its rows is left alone for a while, and what they make of its speed is the usual one from then.
func TestPaceAfterAcquittal(t *testing.T) {
	t.Parallel()
	p := newPace(8, 10*time.Minute, 60)
	now := time.Now()
	run := func(d time.Duration, speed float64) {
		for end := now.Add(d); now.Before(end); now = now.Add(time.Second) {
			p.note(now, answerAt(100, speed))
		}
	}
	run(time.Hour, 50)
	run(time.Hour, 5)
	if !isClosed(p.suspected()) {
		t.Fatal("not suspected at a tenth of its speed")
	}
	p.acquit(now)
	run(5*time.Hour, 5)
	if isClosed(p.suspected()) {
		t.Error("suspected again for the same speed")
	}
	p.acquit(now)
	run(10*time.Minute, 50)
	run(30*time.Minute, 5)
	if isClosed(p.suspected()) {
		t.Error("suspected again less than an hour after the last time")
	}
}

// runLogged is a run whose log can be read.
func runLogged(t *testing.T, c Config) (Summary, string) {
	t.Helper()
	var log bytes.Buffer
	s, err := Run(t.Context(), c, zerolog.New(zerolog.SyncWriter(&log)), nil, new(Counts))
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	return s, log.String()
}

// A server that has become slow for good is started again; a server that may not be started again is kept.
func TestASlowServerIsStartedAgain(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, isolate ollama.Isolation) {
		for restarts, told := range map[int]string{0: "it may not be started again", 3: "server lost; starting it again"} {
			t.Run(fmt.Sprint("restarts ", restarts), func(t *testing.T) {
				t.Parallel()
				for range 50 {
					c, record := config(t, 190, "--delay", "10ms", "--fault", "slow-all@100")
					c.Server.Isolate, c.SlowAfter, c.MaxRestarts = isolate, 300*time.Millisecond, restarts
					s, log := runLogged(t, c)
					if s.OK != 190 || s.Failed != 0 {
						t.Errorf("summary %+v; want 190 rows", s)
					}
					if strings.Contains(log, "it is the rows") {
						continue // the machine was so busy that the server seemed slow before it was, and is left alone for a while: once more
					}
					if !strings.Contains(log, told) || !strings.Contains(log, "it has become slow") {
						t.Errorf("the log says neither %q nor why:\n%s", told, log)
					}
					if r := readRecord(t, record); (r.Requests < 190) != (restarts > 0) {
						t.Errorf("the last server was asked %d rows", r.Requests)
					}
					return
				}
				t.Error("this machine is too busy for the test")
			})
		}
	})
}

// Rows that are slower than those before make a server suspect, but no more than that. To the stand-in every answer takes
// the same time, so one token less is a slower answer.
func TestSlowRowsAreNotASlowServer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prompt    func(i int) string
		suspected bool // for certain; a busy machine may raise the suspicion, too
	}{
		"first long, then short": {func(i int) string { return []string{"x 3", "x x"}[i/200] }, true},
		"mixed":                  {func(i int) string { return []string{"x 3", "x m", "x x"}[i%3] }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, record := config(t, 0, "--delay", "10ms")
			var rows strings.Builder
			for i := range 400 {
				fmt.Fprintf(&rows, `{"prompt":%q,"max_tokens":100}`+"\n", tt.prompt(i))
			}
			if err := os.WriteFile(c.Input, []byte(rows.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			c.SlowAfter, c.MaxRestarts = 50*time.Millisecond, 3
			s, log := runLogged(t, c)
			if s.OK != 400 || readRecord(t, record).Requests != 400 {
				t.Errorf("summary %+v; want 400 rows from one server\n%s", s, log)
			}
			if tt.suspected && !strings.Contains(log, "it is the rows") {
				t.Error("the server was not even suspected")
			}
		})
	}
}
