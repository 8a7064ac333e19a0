package fakeollama

import (
	"bytes"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// fail injects the fault instead of the answer.
func (s *server) fail(w http.ResponseWriter, r *http.Request, a *answer, fault kind) {
	switch fault {
	case refused:
		s.listener.pause()
		hangUp(w)
	case reset:
		hangUp(w)
	case half:
		a.breakOff(w, s.generation)
	case garbage:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Write([]byte("<html><body>It works!</body></html>\n"))
	case undone:
		a.giveUp(w, s.generation)
	case exits:
		s.exit(errExit)
		<-r.Context().Done() // other requests in flight lose their connections together with this one
		panic(http.ErrAbortHandler)
	case badRequest:
		refuse(w, http.StatusBadRequest, "\""+a.request.Model+"\" does not support chat")
	case notFound:
		refuse(w, http.StatusNotFound, missing(a.request.Model))
	case serverError:
		refuse(w, http.StatusInternalServerError, "model runner has unexpectedly stopped, this may be due to resource "+
			"limitations or an internal error, check ollama server logs for details")
	case serverIsBusy:
		refuse(w, http.StatusServiceUnavailable, "server busy, please try again.  maximum pending requests exceeded")
	case endlessHead:
		endless(w, "HTTP/1.1 200 OK\r\n", "X-Field: "+strings.Repeat("x", 100)+"\r\n")
	case endlessInfo:
		endless(w, "", "HTTP/1.1 102 Processing\r\n\r\n")
	case endlessBody:
		endless(w, "HTTP/1.1 200 OK\r\n\r\n"+`{"message":{"content":"`, "endless text ")
	case redirected:
		http.Redirect(w, r, "http://"+s.unasked.listener.Addr().String()+r.URL.Path, http.StatusTemporaryRedirect)
	case escaped400:
		refuse(w, http.StatusBadRequest, escapes)
	case escaped500:
		refuse(w, http.StatusInternalServerError, escapes)
	case counts:
		a.sendCounts(w, s.generation, "-7", "4611686018427387904")
	case hugeCounts:
		a.sendCounts(w, s.generation, "99999999999999999999999", "1e300")
	}
}

// hangUp resets the connection: with linger time 0 the kernel sends RST instead of FIN.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// breakOff sends the first half of the answer and closes the connection.
func (a *answer) breakOff(w http.ResponseWriter, generation string) {
	a.generate(generation)
	body := bytes.Join(a.lines(), nil)
	if !a.streams() {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.Write(body[:len(body)/2])
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// giveUp sends a well-formed answer that is not complete, as Ollama's repeat guard does.
func (a *answer) giveUp(w http.ResponseWriter, generation string) {
	a.generate(generation)
	if a.streams() {
		lines := a.lines()
		a.send(w, lines[:len(lines)-1])
		return
	}
	reply(w, chatResponse{
		Model: a.request.Model, CreatedAt: a.began.UTC(),
		Message: &message{Role: "assistant", Content: a.text[:len(a.text)/2]},
	})
}
