package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"fluxworker/test/fakeollama"
)

// standIn is a running stand-in server.
type standIn struct {
	cmd    *exec.Cmd
	url    string
	record string        // its file
	said   chan struct{} // closed when it has said everything
	result *fakeollama.Record
	err    error
}

var listening = regexp.MustCompile(`Listening on (127\.0\.0\.1:\d+)`)

// standIn starts one. It must be stopped.
func (b *bench) standIn(ctx context.Context, slots int, flags ...string) (*standIn, error) {
	return b.start(ctx, func(record string) []string {
		return append(append([]string{standInCommand, "--max-life", "6h", "--record", record}, flags...), "serve")
	}, "OLLAMA_HOST=127.0.0.1:0", "OLLAMA_NUM_PARALLEL="+strconv.Itoa(slots))
}

// start starts a server that writes to a record what it saw.
func (b *bench) start(ctx context.Context, args func(record string) []string, env ...string) (*standIn, error) {
	f, err := os.CreateTemp(b.scratch, "record-")
	if err != nil {
		return nil, err
	}
	f.Close()
	s := &standIn{record: f.Name(), said: make(chan struct{})}
	s.cmd = exec.CommandContext(ctx, b.self, args(s.record)...)
	s.cmd.Env = environment(env...)
	output, err := s.cmd.StderrPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start stand-in: %w", err)
	}
	lines := bufio.NewReader(output)
	if s.url, err = addressIn(lines); err != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		return nil, fmt.Errorf("start stand-in: %w", err)
	}
	go func() {
		defer close(s.said)
		io.Copy(io.Discard, lines)
	}()
	return s, nil
}

// addressIn reads a server's log until it names its address.
func addressIn(log *bufio.Reader) (url string, _ error) {
	for {
		text, err := log.ReadString('\n')
		if m := listening.FindStringSubmatch(text); m != nil {
			return "http://" + m[1], nil
		}
		if err != nil {
			return "", fmt.Errorf("the server said nothing of an address, and at last %q", text)
		}
	}
}

// stop ends it, unless that is done, and returns what it saw.
func (s *standIn) stop() (fakeollama.Record, error) {
	if s.result == nil {
		s.cmd.Process.Signal(syscall.SIGTERM)
		<-s.said
		s.err = s.cmd.Wait()
		record, err := fakeollama.ReadRecord(s.record)
		s.result, s.err = &record, errors.Join(s.err, err)
		os.Remove(s.record)
	}
	return *s.result, s.err
}

// against runs a client against a new stand-in, and returns how long that took from the first row's request to the client's
// end.
func (b *bench) against(ctx context.Context, r rows, client func(url string) (usage, error), flags ...string) (took time.Duration, record fakeollama.Record, err error) {
	s, err := b.standIn(ctx, slots, flags...)
	if err != nil {
		return 0, record, err
	}
	defer s.stop()
	u, err := client(s.url)
	if err != nil {
		return 0, record, err
	}
	record, err = s.stop()
	if err == nil && record.Answered != r.count {
		err = fmt.Errorf("the stand-in answered %d of %d rows", record.Answered, r.count)
	}
	return u.ended.Sub(record.FirstRequest), record, err
}
