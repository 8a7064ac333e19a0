package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"fluxworker/test/fakeollama"
)

// openAI is figure n: figures a and b for a server of OpenAI's API.
func openAI(ctx context.Context, b *bench) ([]line, error) {
	template := b.path("openai-request.json")
	if err := os.WriteFile(template, []byte(`{"model":"bigram","messages":[{"role":"user","content":"prompt"}]}`), 0o600); err != nil {
		return nil, err
	}
	connections := 0 // of a run
	// took measures both clients against servers that take so long for each row, and returns their times in seconds.
	took := func(times int, r rows, delay time.Duration) (ours, bare sample, _ error) {
		against := func(client func(url string) (usage, error)) (float64, error) {
			s, err := b.openAIStandIn(ctx, delay)
			if err != nil {
				return 0, err
			}
			defer s.stop()
			u, err := client(s.url)
			if err != nil {
				return 0, err
			}
			record, err := s.stop()
			if err == nil && record.Answered != r.count {
				err = fmt.Errorf("the stand-in answered %d of %d rows", record.Answered, r.count)
			}
			return u.ended.Sub(record.FirstRequest).Seconds(), err
		}
		err := repeat(ctx, times, func(ctx context.Context, _ int) error {
			t, err := against(func(url string) (usage, error) {
				ran, err := b.run(ctx, job{input: r, slots: slots, more: []string{"--openai-url", url}})
				connections = ran.InFlight
				return ran.usage, err
			})
			ours = append(ours, t)
			return err
		}, func(ctx context.Context, _ int) error {
			t, err := against(func(url string) (usage, error) {
				with := slots
				if delay == 0 { // as in figure a; a server that takes time gives each slot a connection, as in figure b
					with = connections
				}
				return b.loopOver(ctx, url+"/v1/chat/completions", with, r, template)
			})
			bare = append(bare, t)
			return err
		})
		return ours, bare, err
	}
	fast := rows{count: b.size.of(500, 40_000, 200_000), bytes: 1000, last: longAnswer}
	ours, bare, err := took(b.size.of(1, 5, 9), fast, 0)
	if err != nil {
		return nil, err
	}
	const delay = 20 * time.Millisecond
	slow := rows{count: b.size.of(320, 16_000, 48_000), bytes: shortRow, last: longAnswer}
	span, bareSpan, err := took(b.size.of(1, 3, 5), slow, delay)
	if err != nil {
		return nil, err
	}
	return []line{{
		id: "n", what: "`--openai-url`: rows/s over those of a bare closed loop, rows of 1 KB, a server of no cost", values: ratios(bare, ours), goal: goal{atLeast, 0.9},
		seen:  fmt.Sprintf("%s against %s rows/s on %d connections", number(float64(fast.count)/ours.median()), number(float64(fast.count)/bare.median()), connections),
		limit: "CPU: the server has its part of the same cores",
	}, {
		id: "n", what: fmt.Sprintf("`--openai-url`: makespan over a closed loop's, %d slots, %s a row", slots, delay), values: ratios(span, bareSpan), goal: goal{atMost, 0.99},
		seen:  fmt.Sprintf("%s s against %s s for %d rows", number(span.median()), number(bareSpan.median()), slow.count),
		limit: "the server's own time for each row",
	}}, nil
}

// openAIStandIn starts a server of OpenAI's API. It must be stopped.
func (b *bench) openAIStandIn(ctx context.Context, delay time.Duration) (*standIn, error) {
	return b.start(ctx, func(record string) []string {
		return []string{openAICommand, "-record", record, "-slots", strconv.Itoa(slots), "-delay", delay.String()}
	})
}

// runOpenAI is the stand-in: a row takes a slot for a time, and waits for one where all are taken.
func runOpenAI(args []string) error {
	flags := flag.NewFlagSet(openAICommand, flag.ContinueOnError)
	path := flags.String("record", "", "`file` for what was seen")
	count := flags.Int("slots", 1, "rows that are answered at once")
	delay := flags.Duration("delay", 0, "time of a row")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var mu sync.Mutex // guards record
	var record fakeollama.Record
	free := make(chan struct{}, *count)
	answer := `{"id":"chatcmpl-1","object":"chat.completion","created":1764028800,"model":"bigram","choices":[{"index":0,"message":{"role":"assistant","content":"` +
		strings.Repeat("abcdefghij ", 3) + `"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":300,"completion_tokens":10,"total_tokens":310}}`
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"object":"list","data":[{"id":"bigram","object":"model"}]}`)
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if isRow := strings.Contains(string(body), "Row 0"); isRow { // and not a question of the start
			mu.Lock()
			if record.FirstRequest.IsZero() {
				record.FirstRequest = time.Now()
			}
			record.Answered++
			mu.Unlock()
		}
		free <- struct{}{}
		time.Sleep(*delay)
		<-free
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answer)
	})
	s := &http.Server{Handler: mux}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	fmt.Fprintln(os.Stderr, "Listening on", listener.Addr())
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return os.WriteFile(*path, data, 0o600)
}
