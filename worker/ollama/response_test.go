package ollama

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw serves text that goes on and on after the beginning.
func raw(t *testing.T, begin, more string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		block := strings.Repeat(more, 1+4096/len(more))
		for _, err = io.WriteString(conn, begin); err == nil; {
			_, err = io.WriteString(conn, block)
		}
	}
}

// A head without end is the server's failure, and is not read to the end.
func TestHeadsWithoutEnd(t *testing.T) {
	for name, serve := range map[string]http.HandlerFunc{
		"fields":            raw(t, "HTTP/1.1 200 OK\r\n", "X-Field: x\r\n"),
		"one field":         raw(t, "HTTP/1.1 200 OK\r\nX: ", "x"),
		"one status":        raw(t, "HTTP/1.1 200 ", "OK"),
		"informational":     raw(t, "", "HTTP/1.1 102 Processing\r\n\r\n"),
		"early hints":       raw(t, "", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
		"continue and more": raw(t, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", "A: b\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _ := asking(t, serve)
			_, err := c.Ask(t.Context(), request())
			var down *UnavailableError
			if !errors.As(err, &down) || down.Status != 0 || !strings.Contains(err.Error(), "the head of the response") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// An answer that is larger than the row's part of the budget is the row's failure, however the server sends it. The room
// is free then, and the next answer comes.
func TestAnswersLargerThanTheirPart(t *testing.T) {
	limit := NewBudget(MinBudget).limit
	sized := func(begin string) http.HandlerFunc {
		return raw(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", limit+1, begin), "text ")
	}
	for name, serve := range map[string]http.HandlerFunc{
		"with a length": sized(`{"message":{"content":"`),
		"in chunks":     raw(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\ntext\r\n"),
		"without end":   raw(t, "HTTP/1.1 200 OK\r\n\r\n", "text"),
		"objects without content": func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, `{"logprobs":[`+strings.Repeat("{},", int(limit)/8)+`{}],"done":true,"done_reason":"stop"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			first := true
			c, _, _ := asking(t, func(w http.ResponseWriter, r *http.Request) {
				if first {
					first = false
					serve(w, r)
					return
				}
				answerComplete(w, r)
			})
			room := NewBudget(MinBudget).NewRoom(0)
			_, err := c.AskWithin(t.Context(), 0, request(), room)
			var row *RequestError
			if !errors.As(err, &row) || row.Code != CodeAnswerTooLarge || !strings.Contains(err.Error(), "--max-answer-memory") {
				t.Fatalf("got %v", err)
			}
			if room.Bytes() != 0 || room.budget.common != limit || room.budget.reserve != nil {
				t.Errorf("%d bytes are left, and the budget is %+v", room.Bytes(), room.budget)
			}
			if _, err := c.AskWithin(t.Context(), 0, request(), room); err != nil {
				t.Error(err)
			}
		})
	}
}

// Of an error response only the beginning is read.
func TestErrorsWithoutEnd(t *testing.T) {
	c, _, _ := asking(t, raw(t, "HTTP/1.1 503 Busy\r\n\r\n", "busy "))
	_, err := c.Ask(t.Context(), request())
	var down *UnavailableError
	if !errors.As(err, &down) || down.Status != 503 || len(err.Error()) > 1000 {
		t.Errorf("got %.2000v", err)
	}
}

// The answer to a request other than a row is limited, too.
func TestControlAnswersWithoutEnd(t *testing.T) {
	c, _, _ := asking(t, raw(t, "HTTP/1.1 200 OK\r\n\r\n", `{"a":"`+strings.Repeat("a", 1<<20)))
	c.others.Transport.(*limitedBodies).limit = 2 << 20
	if _, err := c.Describe(t.Context(), "bigram"); err == nil || !strings.Contains(err.Error(), "has more than 2 MiB") {
		t.Errorf("got %v", err)
	}
}

// Impossible token counts count as none.
func TestImpossibleTokenCounts(t *testing.T) {
	for count, want := range map[string]int{
		"-1": 0, "100000001": 0, "9223372036854775807": 0, "99999999999999999999999": 0, "1e300": 0, "1.5": 0, "null": 0, `"7"`: 0, "[]": 0, "7": 7, "100000000": 100000000,
	} {
		c, _, _ := asking(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, `{"message":{"content":"a"},"done":true,"done_reason":"stop","prompt_eval_count":%s,"eval_count":%s}`, count, count)
		})
		a, err := c.Ask(t.Context(), request())
		if err != nil || a.PromptTokens != want || a.CompletionTokens != want {
			t.Errorf("%s: %+v, %v", count, a, err)
		}
	}
	if n := countedTokens("request (999999999999 tokens) exceeds the available context size"); n != 0 {
		t.Errorf("%d tokens", n)
	}
}

// FuzzResponse: whatever bytes a server sends, the client returns an answer or an error, and gives back the room.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" + complete,
		fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(complete), complete),
		fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(complete), complete),
		"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", "HTTP/1.0 500 x\r\n\r\n{\"error\":\"e\"}",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		"HTTP/1.1 307 x\r\nLocation: http://other/\r\n\r\n", "HTTP/0.0 200 \nContent-Length:70000\n\n", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 4000),
	} {
		f.Add([]byte(seed), 7)
	}
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		client, server := net.Pipe()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			defer server.Close()
			go io.Copy(io.Discard, server) // ends when one side closes
			for size := max(1, piece%4096); len(data) > 0; data = data[min(size, len(data)):] {
				if _, err := server.Write(data[:min(size, len(data))]); err != nil {
					return
				}
			}
		}()
		budget := NewBudget(MinBudget)
		room := budget.NewRoom(0)
		r, reusable := newConnection(client).exchange(t.Context(), time.Time{}, []byte("POST / HTTP/1.1\r\n\r\n"), nil, nil, room)
		client.Close()
		<-sent
		if reusable && r.err != nil {
			t.Errorf("the connection of %v is used again", r.err)
		}
		if r.err != nil && (room.Bytes() != 0 || budget.common != budget.limit) {
			t.Errorf("after %v the room has %d bytes", r.err, room.Bytes())
		}
		if r.err == nil && int64(cap(r.body)) > room.Bytes()+maxErrorBody+1024 {
			t.Errorf("a body has %d bytes of memory, and the room %d", cap(r.body), room.Bytes())
		}
		room.Release()
		if budget.common != budget.limit || budget.reserve != nil || len(budget.rooms)+len(budget.waiting) > 0 {
			t.Errorf("the budget is %+v", budget)
		}
	})
}
