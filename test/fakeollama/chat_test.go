package fakeollama

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ollama/ollama/api"
)

func TestChat(t *testing.T) {
	s := start(t, true, nil)
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprint("stream ", stream), func(t *testing.T) {
			var text strings.Builder
			var last api.ChatResponse
			err := s.api(t).Chat(t.Context(), &api.ChatRequest{
				Model:    "bigram",
				Messages: []api.Message{{Role: "system", Content: "be"}, {Role: "user", Content: "row w"}},
				Stream:   &stream,
			}, func(r api.ChatResponse) error {
				text.WriteString(r.Message.Content)
				last = r
				return nil
			})
			if err != nil || text.String() != "xyz" || !last.Done || last.DoneReason != "stop" {
				t.Errorf("got %q, %+v, %v", &text, last, err)
			}
			if last.PromptEvalCount != 8 || last.EvalCount != 4 || last.TotalDuration <= 0 || last.EvalDuration <= 0 {
				t.Errorf("got %+v", last.Metrics)
			}
		})
	}
}

func TestContextLength(t *testing.T) {
	long := strings.Repeat("x", 902)
	for _, tt := range []struct {
		name, generation, body, want string
		status                       int
	}{
		{"old", "o", chatBody(long, `"num_ctx":512`), `{"error":"the input length exceeds the context length"}`, 400},
		{"new", "n", chatBody(long, `"num_ctx":512`), `{"error":"{\"error\":{\"code\":400,\"message\":\"request (903 tokens) exceeds the available context size (512 tokens), try increasing it\",\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":903,\"n_ctx\":512}}"}`, 400},
		{"from the environment", "o", chatBody(long, ``), `exceeds the context length`, 400},
		{"old, truncated", "o", strings.Replace(chatBody(long, `"num_ctx":512`), `"truncate":false,`, "", 1), `"prompt_eval_count":512`, 200},
		{"new, truncated", "n", strings.Replace(chatBody(long, `"num_ctx":512`), `"truncate":false,`, "", 1), `"prompt_eval_count":259`, 200},
		{"cut answer", "n", chatBody("12345", `"num_ctx":10`), `"content":"6789"`, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, true, []string{"OLLAMA_CONTEXT_LENGTH=600"}, "--generation", tt.generation)
			status, body, err := s.post(t.Context(), "/api/chat", tt.body)
			if err != nil || status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("got %d %s, %v", status, body, err)
			}
		})
	}
}

// Slots limit the requests at work, not those in flight. The record distinguishes them.
func TestSlots(t *testing.T) {
	const slots, clients = 2, 5
	s := start(t, true, []string{fmt.Sprint("OLLAMA_NUM_PARALLEL=", slots)}, "--fault", "hang@1", "--fault", "hang@2")
	var asking sync.WaitGroup
	for range clients {
		asking.Go(func() { s.post(t.Context(), "/api/chat", chatBody("a", "")) })
	}
	s.recorded(t, "that all are in flight", func(r Record) bool { return r.PeakInFlight == clients && r.Faults["hang"] == slots })
	got := s.ended(t)
	asking.Wait()
	if got.PeakWorking != slots || got.Requests != clients || got.Gone != clients || got.Answered != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestRecord(t *testing.T) {
	s := start(t, true, []string{"KEY=value"}, "--record-bodies")
	bodies := []string{chatBody("a", `"num_ctx":512`), chatBody("b", `"num_ctx":512,"temperature":1`), `{"model":`, chatBody("c", `"num_ctx":1024`)}
	for _, body := range append([]string{chatBody("1", `"num_ctx":512,"num_predict":1`)}, bodies...) {
		if _, _, err := s.post(t.Context(), "/api/chat", body); err != nil {
			t.Fatal(err)
		}
	}
	got := s.ended(t)
	if got.Requests != 4 || got.Proofs != 1 || got.Answered != 3 || got.Loads != 2 || got.PeakWorking != 1 {
		t.Errorf("got %+v", got)
	}
	sets, _ := json.Marshal(got.Options)
	if want := `[{"options":{"num_ctx":512,"shift":false},"requests":3},{"options":{"num_ctx":1024,"shift":false},"requests":1}]`; string(sets) != want {
		t.Errorf("option sets %s, want %s", sets, want)
	}
	for i, want := range bodies {
		raw := string(got.Bodies[i])
		if !json.Valid([]byte(want)) {
			json.Unmarshal(got.Bodies[i], &raw)
		}
		if raw != want {
			t.Errorf("body %d is %s, want %s", i, raw, want)
		}
	}
}

func TestUnknownModel(t *testing.T) {
	s := start(t, true, nil, "--models", "other")
	status, body, err := s.post(t.Context(), "/api/chat", chatBody("a", ""))
	if err != nil || status != http.StatusNotFound || body != `{"error":"model 'bigram' not found"}` {
		t.Errorf("got %d %s, %v", status, body, err)
	}
}
