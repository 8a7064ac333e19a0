package fakeollama

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// shutdownGrace is how long requests may take to notice the end of the server.
const shutdownGrace = 500 * time.Millisecond

// The causes of an end without a signal.
var (
	errExit    = errors.New("exit fault")
	errMaxLife = errors.New("end of --max-life")
)

// server is a running stand-in.
type server struct {
	config
	log            *logger
	recorder       *recorder
	models         *registry
	script         *script
	invalidAnswers invalidAnswers
	slots          *semaphore.Weighted // FIFO
	barrier        *barrier
	listener       *listener // nil until the server listens
	unasked        *unasked  // the target of redirects; nil without the fault
	started        time.Time
	ending         <-chan struct{}
	exit           context.CancelCauseFunc
	passed         atomic.Int64
	fits           func() bool // whether the whole loaded model is on the GPU; decided once
}

// serve runs a stand-in until its end and returns the exit code.
func serve(ctx context.Context, c config, log *logger, recorder *recorder) int {
	ctx, cancel := context.WithTimeoutCause(ctx, c.maxLife, errMaxLife)
	defer cancel()
	ctx, exit := context.WithCancelCause(ctx)
	defer exit(nil)
	var keeper sync.WaitGroup
	keeper.Go(func() { recorder.keep(ctx) })

	s := &server{
		config: c, log: log, recorder: recorder, models: newRegistry(c.models, c.folder), script: newScript(c),
		slots: semaphore.NewWeighted(int64(c.slots)), barrier: newBarrier(c), started: time.Now().UTC(), ending: ctx.Done(), exit: exit,
	}
	s.fits = sync.OnceValue(func() bool { return s.vram.holds(c.slots, c.context) })
	code, how := s.run(ctx)
	exit(nil)
	keeper.Wait()
	recorder.finish(how)
	return code
}

// run runs the server. It returns the exit code and the reason for the record.
func (s *server) run(ctx context.Context) (code int, how string) {
	switch s.startFault {
	case startExit:
		s.log.print("routes.go:1989", "INFO", "server config", `env="map[OLLAMA_HOST:http://`+s.address+`]"`)
		s.log.print("images.go:473", "ERROR", "could not read the models", `error="permission denied"`)
		return 1, "start-fault"
	case startSilent:
		<-ctx.Done()
		return outcome(ctx, s.log)
	}
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		fmt.Fprintln(s.log.stderr, "Error:", err)
		return 1, "start-fault"
	}
	if s.startFault == startDeaf {
		s.log.listening(listener.Addr().String(), s.version)
		acceptOnly(ctx, listener)
		return outcome(ctx, s.log)
	}
	s.recorder.change(func(rec *Record) { rec.Listening = time.Now() })
	s.log.listening(listener.Addr().String(), s.version)
	s.log.compute(s.gpu)
	s.listener = newListener(listener)
	if slices.ContainsFunc(s.faults, func(f fault) bool { return f.kind == redirected }) {
		if s.unasked, err = newUnasked(s.recorder); err != nil {
			fmt.Fprintln(s.log.stderr, "Error:", err)
			return 1, "start-fault"
		}
		defer s.unasked.close()
	}
	s.answer(ctx)
	return outcome(ctx, s.log)
}

// passing returns the number of the next request for --pass.
func (s *server) passing() int { return int(s.passed.Add(1)) }

// outcome returns the exit code and the reason for an ended context.
func outcome(ctx context.Context, log *logger) (code int, how string) {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errExit):
		return 1, "exit"
	case errors.Is(cause, errMaxLife):
		log.print("main.go:1", "ERROR", "the stand-in outlived --max-life", "")
		return 1, "max-life"
	default:
		return 0, "signal"
	}
}

// answer serves HTTP until the context ends. Like Ollama it does not drain: requests in flight lose their connections.
func (s *server) answer(ctx context.Context) {
	hs := &http.Server{
		Handler:     s.routes(),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    log.New(io.Discard, "", 0),
	}
	var serving sync.WaitGroup
	serving.Go(func() { hs.Serve(s.listener) })
	<-ctx.Done()
	// The context has ended every request; wait until the last request has noticed.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if !errors.Is(context.Cause(ctx), errExit) { // a crash takes no time
		hs.Shutdown(grace)
	}
	hs.Close()
	serving.Wait()
}

// acceptOnly accepts connections and never answers.
func acceptOnly(ctx context.Context, listener net.Listener) {
	var accepting sync.WaitGroup
	var held []net.Conn
	accepting.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			held = append(held, conn)
		}
	})
	<-ctx.Done()
	listener.Close()
	accepting.Wait()
	for _, conn := range held {
		conn.Close()
	}
}
