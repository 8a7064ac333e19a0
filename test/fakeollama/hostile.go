package fakeollama

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// escapes is text that changes a terminal: it clears the screen, sets the title, and forges a line of a log.
const escapes = "\x1b[2J\x1b]0;title\aseen\r\n2026-01-01 00:00:00 INF forged \u009b31m\u202e"

// endless sends begin, and then text again and again, until the client goes away.
func endless(w http.ResponseWriter, begin, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	block := strings.Repeat(text, 1+64<<10/len(text))
	for _, err = io.WriteString(conn, begin); err == nil; {
		_, err = io.WriteString(conn, block)
	}
}

// sendCounts sends the answer with the token counts of a fault.
func (a *answer) sendCounts(w http.ResponseWriter, generation, prompt, completion string) {
	a.generate(generation)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	fmt.Fprintf(w, `{"model":"x","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":%q},"done":true,"done_reason":"stop","prompt_eval_count":%s,"eval_count":%s}`,
		a.text, prompt, completion)
}

// sendLong sends an answer with a text of so many bytes, without a copy of the text.
func (a *answer) sendLong(w http.ResponseWriter, length int64) error {
	begin := `{"model":"x","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"`
	end := fmt.Sprintf(`"},"done":true,"done_reason":"stop","prompt_eval_count":%d,"eval_count":1}`, a.prompt)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", fmt.Sprint(int64(len(begin))+length+int64(len(end))))
	if _, err := io.WriteString(w, begin); err != nil {
		return err
	}
	block := strings.Repeat("a", 64<<10)
	for ; length > 0; length -= int64(len(block)) {
		if _, err := io.WriteString(w, block[:min(length, int64(len(block)))]); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, end)
	return err
}

// unasked is another server, which counts the requests that a redirect brings to it.
type unasked struct {
	listener net.Listener
	recorder *recorder
	serving  sync.WaitGroup
}

// newUnasked starts another server on a port of its own.
func newUnasked(r *recorder) (*unasked, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &unasked{listener: listener, recorder: r}
	u.serving.Go(func() { http.Serve(listener, u) })
	return u, nil
}

// ServeHTTP counts the request.
func (u *unasked) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	u.recorder.change(func(rec *Record) { rec.Elsewhere++ })
	refuse(w, http.StatusTeapot, "this is another server")
}

// close ends the server.
func (u *unasked) close() {
	u.listener.Close()
	u.serving.Wait()
}
