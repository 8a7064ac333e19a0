package ollama

import (
	"sync"
	"testing"
	"time"

	"fluxworker/worker/prompt"
)

// BenchmarkDial is what a new connection costs.
func BenchmarkDial(b *testing.B) {
	for _, i := range []Isolation{IsolateNever, IsolateAlways} {
		b.Run("isolate "+string(i), func(b *testing.B) {
			s, _ := startFake(b, i)
			waitListening(b, s, DeviceCPU)
			for b.Loop() {
				conn, err := s.Dial(b.Context(), "tcp", s.address)
				if err != nil {
					b.Fatal(err)
				}
				conn.Close()
			}
		})
	}
}

// BenchmarkAsk is what an answer costs on connections that are kept, and how many times as many rows an isolated server
// answers in the same time as a plain one. The two take turns, so that both get the same share of a noisy machine.
func BenchmarkAsk(b *testing.B) {
	const inFlight, turn = 8, 200
	var clients []*Client
	for _, i := range []Isolation{IsolateNever, IsolateAlways} {
		s, _ := startFake(b, i)
		waitListening(b, s, DeviceCPU)
		c := NewClientVia(s.address, s.Dial, inFlight, Runner{Context: 512})
		b.Cleanup(c.Close)
		clients = append(clients, c)
	}
	var spent [2]time.Duration
	for b.Loop() {
		for i, c := range clients {
			begin := time.Now()
			askMany(b, c, inFlight, turn)
			spent[i] += time.Since(begin)
		}
	}
	b.ReportMetric(float64(spent[0])/float64(spent[1]), "isolated/plain")
	b.ReportMetric(float64(turn*b.N)/spent[1].Seconds(), "rows/s")
}

func askMany(b *testing.B, c *Client, inFlight, rows int) {
	r := prompt.Request{Endpoint: prompt.Chat, Model: "bigram", Messages: []prompt.Message{{Role: "user", Content: "x 3"}},
		Sampling: prompt.Sampling{MaxTokens: 3, TopP: 1}}
	var asking sync.WaitGroup
	for range inFlight {
		asking.Go(func() {
			for range rows / inFlight {
				if _, err := c.Ask(b.Context(), r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	asking.Wait()
}
