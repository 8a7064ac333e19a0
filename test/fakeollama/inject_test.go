package fakeollama

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRequestFaults(t *testing.T) {
	whole := func(body string) bool {
		return strings.Contains(body, `"content":"xyz"`) && strings.Contains(body, `"done":true`)
	}
	for _, tt := range []struct {
		fault string
		ok    func(status int, body string, err error) bool
	}{
		{"reset", func(_ int, _ string, err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
		{"refused", func(_ int, _ string, err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
		{"half", func(status int, body string, err error) bool {
			return status == 200 && strings.HasPrefix(body, "{") && errors.Is(err, io.ErrUnexpectedEOF)
		}},
		{"garbage", func(status int, body string, err error) bool {
			return status == 200 && err == nil && !json.Valid([]byte(body))
		}},
		{"undone", func(status int, body string, err error) bool {
			return status == 200 && err == nil && strings.Contains(body, `"content":"x"},"done":false}`)
		}},
		{"slow", func(status int, body string, err error) bool { return status == 200 && err == nil && whole(body) }},
		{"400", func(status int, body string, err error) bool { return status == 400 && err == nil }},
		{"404", func(status int, body string, err error) bool {
			return status == 404 && body == `{"error":"model 'bigram' not found"}`
		}},
		{"500", func(status int, body string, err error) bool {
			return status == 500 && strings.Contains(body, "unexpectedly stopped")
		}},
		{"503", func(status int, body string, err error) bool {
			return status == 503 && strings.Contains(body, "server busy")
		}},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			s := start(t, true, nil, "--fault", tt.fault+"@2")
			proof := chatBody("1", `"num_predict":1`)
			for i, body := range []string{proof, chatBody("w", ""), proof, chatBody("row w", ""), chatBody("w", "")} {
				began := time.Now()
				status, got, err := s.post(t.Context(), "/api/chat", body)
				for tt.fault == "refused" && i > 3 && errors.Is(err, syscall.ECONNREFUSED) { // until it listens again
					status, got, err = s.post(t.Context(), "/api/chat", body)
				}
				switch {
				case i == 3 && !tt.ok(status, got, err):
					t.Errorf("the fault is %d %q, %v", status, got, err)
				case i == 3 && tt.fault == "slow" && time.Since(began) < 100*time.Millisecond:
					t.Error("not slow")
				case i != 3 && (err != nil || status != http.StatusOK || body != proof && !whole(got)):
					t.Errorf("request %d got %d %q, %v", i, status, got, err)
				}
			}
			if got := s.ended(t); got.Faults[tt.fault] != 1 || got.Requests != 3 || got.Proofs != 2 {
				t.Errorf("record: %+v", got)
			}
		})
	}
}

func TestFaultedStream(t *testing.T) {
	body := strings.Replace(chatBody("w", ""), `"stream":false,`, "", 1)
	for fault, wantErr := range map[string]bool{"half": true, "undone": false} {
		t.Run(fault, func(t *testing.T) {
			s := start(t, true, nil, "--fault", fault)
			status, got, err := s.post(t.Context(), "/api/chat", body)
			if status != 200 || (err != nil) != wantErr || !strings.Contains(got, `"done":false`) || strings.Contains(got, `"done":true`) {
				t.Errorf("got %d %q, %v", status, got, err)
			}
		})
	}
}

// A request that hangs ends with its client and gives the slot back.
func TestHang(t *testing.T) {
	s := start(t, true, nil, "--fault", "hang", "--fault-match", "poison")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, _, err := s.post(ctx, "/api/chat", chatBody("poison", ""))
		failed <- err
	}()
	s.recorded(t, "that it hangs", func(r Record) bool { return r.Faults["hang"] == 1 })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if status, _, err := s.post(t.Context(), "/api/chat", chatBody("a", "")); err != nil || status != 200 {
		t.Errorf("the next request got %d, %v", status, err)
	}
	if got := s.ended(t); got.Gone != 1 || got.Answered != 1 {
		t.Errorf("record: %+v", got)
	}
}

func TestExit(t *testing.T) {
	s := start(t, true, nil, "--fault", "exit@2")
	if status, _, err := s.post(t.Context(), "/api/chat", chatBody("a", "")); err != nil || status != 200 {
		t.Fatalf("got %d, %v", status, err)
	}
	if _, _, err := s.post(t.Context(), "/api/chat", chatBody("a", "")); err == nil {
		t.Error("an answer came")
	}
	<-s.done
	if code, got := s.stop(), s.ended(t); code != 1 || got.Ended != "exit" || got.Faults["exit"] != 1 || got.Requests != 2 {
		t.Errorf("exit code %d, record %+v", code, got)
	}
}

// After a refused fault, connections are refused for a while and then accepted again at the same address.
func TestRefused(t *testing.T) {
	s := start(t, true, nil, "--fault", "refused@1")
	if _, _, err := s.post(t.Context(), "/api/chat", chatBody("a", "")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the request got %v", err)
	}
	refused := 0
	for deadline := time.Now().Add(patience); ; refused++ {
		status, _, err := s.post(t.Context(), "/api/chat", chatBody("a", ""))
		if err == nil && status == http.StatusOK {
			break
		}
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(deadline) {
			t.Fatalf("got %d, %v", status, err)
		}
	}
	if refused == 0 {
		t.Error("no connection was refused")
	}
}

// Once everything is slow, proofs are too, and the answers stay right.
func TestSlowAll(t *testing.T) {
	s := start(t, true, nil, "--fault", "slow-all@2")
	proof := chatBody("1", `"num_predict":1`)
	for i, body := range []string{chatBody("w", ""), proof, chatBody("w", ""), chatBody("w", ""), proof} {
		began := time.Now()
		status, _, err := s.post(t.Context(), "/api/chat", body)
		if took := time.Since(began); err != nil || status != http.StatusOK || i >= 2 && took < 100*time.Millisecond {
			t.Errorf("request %d got %d, %v, after %s", i, status, err, took)
		}
	}
	if got := s.ended(t); got.Faults["slow-all"] != 2 || got.Answered != 3 {
		t.Errorf("record: %+v", got)
	}
}

// Requests are held until as many are in flight as the test wants, the last ones excepted.
func TestHold(t *testing.T) {
	s := start(t, true, []string{"OLLAMA_NUM_PARALLEL=2"}, "--hold", "3", "--hold-rows", "4")
	answered := make(chan error)
	ask := func() {
		_, _, err := s.post(t.Context(), "/api/chat", chatBody("a", ""))
		answered <- err
	}
	go ask()
	go ask()
	s.recorded(t, "that two are there", func(r Record) bool { return r.PeakWorking == 2 })
	select {
	case err := <-answered:
		t.Fatalf("answered while two are in flight (%v)", err)
	default:
	}
	go ask() // completes the first two
	go ask() // and this is the last one
	for range 4 {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
	if got := s.ended(t); got.PeakInFlight < 3 || got.PeakWorking != 2 || got.Answered != 4 {
		t.Errorf("record: %+v", got)
	}
}
