package ollama

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fluxworker/test/await"
)

// asking is a client of a server that answers by the handler, and how many connections the server has seen.
func asking(t *testing.T, handler http.HandlerFunc) (*Client, *httptest.Server, *atomic.Int64) {
	t.Helper()
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c, err := NewClient(server.URL, 4, Runner{Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, server, &opened
}

// room is enough for any answer of these tests.
func room() *Room { return NewBudget(MinBudget).NewRoom(0) }

func answerComplete(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	io.WriteString(w, complete)
}

// As many connections are opened as requests are in flight, however many follow.
func TestConnectionsAreKept(t *testing.T) {
	const inFlight, each = 4, 50
	var together sync.WaitGroup
	together.Add(inFlight)
	var first sync.Map
	c, _, opened := asking(t, func(w http.ResponseWriter, r *http.Request) {
		if _, again := first.LoadOrStore(r.RemoteAddr, true); !again {
			together.Done()
			together.Wait() // so that nobody gets a connection that another one has done with
		}
		answerComplete(w, r)
	})
	var asked sync.WaitGroup
	for range inFlight {
		asked.Go(func() {
			for range each {
				if a, err := c.AskWithin(t.Context(), await.Patience, request(), room()); err != nil || a.Text != "456" {
					t.Errorf("%+v, %v", a, err)
				}
			}
		})
	}
	asked.Wait()
	if n := opened.Load(); n != inFlight {
		t.Errorf("%d connections were opened, want %d", n, inFlight)
	}
}

// Answers come whole however the server sends them, and what it closes is not used again.
func TestAnswersAsServersSendThem(t *testing.T) {
	long := strings.Repeat("word and ", 40000)
	whole := strings.Replace(complete, "456", long, 1)
	for name, send := range map[string]http.HandlerFunc{
		"with a length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
			io.WriteString(w, whole)
		},
		"in chunks": func(w http.ResponseWriter, _ *http.Request) {
			for piece := range strings.SplitAfterSeq(whole, "word") {
				io.WriteString(w, piece)
			}
			http.NewResponseController(w).Flush()
		},
		"up to the end of the connection": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"+whole)
		},
		"and close": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			io.WriteString(w, whole)
		},
		"announced": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusProcessing)
			io.WriteString(w, whole)
		},
		"from another path": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/moved" {
				http.Redirect(w, r, "/moved", http.StatusTemporaryRedirect)
				return
			}
			io.WriteString(w, whole)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _ := asking(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				send(w, r)
			})
			for range 3 {
				if a, err := c.Ask(t.Context(), request()); err != nil || a.Text != long {
					t.Fatalf("got %d bytes, want %d: %v", len(a.Text), len(long), err)
				}
			}
		})
	}
}

// An interrupted answer is an error, and the next request gets an intact connection.
func TestAnswersThatBreakOff(t *testing.T) {
	var n atomic.Int64
	c, _, _ := asking(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		switch n.Add(1) {
		case 1:
			w.Header().Set("Content-Length", fmt.Sprint(len(complete)))
			io.WriteString(w, complete[:100])
		case 2:
			io.WriteString(w, complete[:100])
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case 3:
			panic(http.ErrAbortHandler)
		default:
			io.WriteString(w, complete)
		}
	})
	for _, want := range []struct {
		status int
		text   string
	}{{200, "broke off"}, {200, "broke off"}, {0, "EOF"}} {
		_, err := c.Ask(t.Context(), request())
		var down *UnavailableError
		if !errors.As(err, &down) || down.Status != want.status || !strings.Contains(err.Error(), want.text) {
			t.Errorf("got %v, want an UnavailableError with status %d that says %q", err, want.status, want.text)
		}
	}
	if _, err := c.Ask(t.Context(), request()); err != nil {
		t.Error(err)
	}
}

// A server may close a connection that lay idle. No request is lost by that.
func TestConnectionsThatLayIdle(t *testing.T) {
	c, server, opened := asking(t, answerComplete)
	for range 2 {
		if _, err := c.Ask(t.Context(), request()); err != nil {
			t.Fatal(err)
		}
		server.CloseClientConnections()
		for _, idle := range c.direct.idle {
			idle.idle = idle.idle.Add(-idleLimit)
		}
	}
	if n := opened.Load(); n != 2 {
		t.Errorf("%d connections were opened, want 2", n)
	}
}

// The limit is that of one request: a connection that was used with one is as good as new for a request without.
func TestLimitIsOfOneRequest(t *testing.T) {
	var hang atomic.Bool
	c, _, _ := asking(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if hang.Load() {
			<-r.Context().Done()
			return
		}
		io.WriteString(w, complete)
	})
	ctx, cancel := context.WithTimeout(t.Context(), await.Patience)
	defer cancel()
	for _, ask := range []func() (*Answer, error){
		func() (*Answer, error) { return c.AskWithin(t.Context(), await.Patience, request(), room()) },
		func() (*Answer, error) { return c.Ask(ctx, request()) },
		func() (*Answer, error) { return c.Ask(t.Context(), request()) },
	} {
		if _, err := ask(); err != nil {
			t.Error(err)
		}
	}
	if c.direct.idle[0].limited {
		t.Error("the limit of an earlier request stayed on the connection")
	}
	hang.Store(true)
	late := errors.New("not done within 20ms")
	caused, cancelCaused := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, late)
	defer cancelCaused()
	if _, err := c.Ask(caused, request()); !errors.Is(err, late) {
		t.Errorf("got %v, want the context's cause", err)
	}
	if _, err := c.AskWithin(t.Context(), 20*time.Millisecond, request(), room()); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v, want ErrTimeout", err)
	}
}

// Bytes that a server sends after an answer are not part of any answer.
func TestNothingIsLeftForTheNextRequest(t *testing.T) {
	response := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	c, _, opened := asking(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		conn, out, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { conn.Close() })
		io.WriteString(out, response(complete)+response(strings.Replace(complete, "456", "of nobody", 1)))
		out.Flush()
	})
	for range 3 {
		if a, err := c.Ask(t.Context(), request()); err != nil || a.Text != "456" {
			t.Fatalf("answer %+v, %v", a, err)
		}
	}
	if n := opened.Load(); n != 3 {
		t.Errorf("%d connections were opened, want one for each request", n)
	}
}

// So is what comes late, while the connection lies idle. Where it is the connection's end, no request meets it.
func TestWhatComesLateIsNobodysAnswer(t *testing.T) {
	response := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(complete), complete)
	for name, late := range map[string]func(net.Conn){
		"an answer": func(server net.Conn) { io.WriteString(server, strings.Replace(response, "456", "999", 1)) },
		"the end":   func(server net.Conn) { server.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var serving sync.WaitGroup
			defer serving.Wait()
			defer listener.Close()
			accepted := make(chan net.Conn, 2)
			serving.Go(func() {
				for {
					server, err := listener.Accept()
					if err != nil {
						return
					}
					accepted <- server
					serving.Go(func() {
						defer server.Close()
						in := bufio.NewReader(server)
						for {
							asked, err := http.ReadRequest(in)
							if err != nil {
								return
							}
							io.Copy(io.Discard, asked.Body)
							io.WriteString(server, response)
						}
					})
				}
			})
			c, err := NewClient("http://"+listener.Addr().String(), 1, Runner{Context: 512})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if a, err := c.Ask(t.Context(), request()); err != nil || a.Text != "456" {
				t.Fatalf("answer %+v, %v", a, err)
			}
			late(<-accepted)
			if err := arrived(c.direct.idle[0]); err != nil {
				t.Fatal(err)
			}
			if a, err := c.Ask(t.Context(), request()); err != nil || a.Text != "456" {
				t.Errorf("answer %+v, %v", a, err)
			}
		})
	}
}

// arrived waits until something has come on a connection, and leaves it there.
func arrived(c *connection) error {
	raw, err := c.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(socket uintptr) bool {
		_, _, err := unix.Recvfrom(int(socket), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return err != unix.EAGAIN
	})
}

// net/http may still send a request whose answer came early. The next request does not write into it.
func TestAnEarlyAnswerLeavesTheRequestAlone(t *testing.T) {
	early := request()
	early.Messages[1].Content = strings.Repeat("a", 256<<10)
	next := request()
	next.Messages[1].Content = strings.Repeat("b", 256<<10)
	for range 20 {
		dialed := make(chan struct{}, 2)
		var serving sync.WaitGroup
		number := 0
		dial := func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe() // which holds nothing of what is sent
			number++
			first := number == 1
			dialed <- struct{}{}
			serving.Go(func() {
				defer server.Close()
				io.ReadFull(server, make([]byte, 1000))
				io.WriteString(server, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}")
				if first {
					<-dialed
					<-dialed // the next request is encoded
				}
				if rest, _ := io.ReadAll(server); first && strings.Contains(string(rest), "bbb") {
					t.Error("a request has the text of another one")
				}
			})
			return client, nil
		}
		c := newClient(&url.URL{Scheme: "http", Host: "x"}, dial, 1, Runner{Context: 512}, credentials{})
		c.Ask(t.Context(), early)
		c.Ask(t.Context(), next)
		c.Close()
		serving.Wait()
	}
}
