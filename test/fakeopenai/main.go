// Package fakeopenai is a stand-in for servers of OpenAI's API. It answers as vLLM's published API does, and fails on demand.
package fakeopenai

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// config is what the command line demands.
type config struct {
	host, port string
	model      string
	key        string
	addressTo  string // a file for the address
	bodiesTo   string // a file to which each request is added: path and body
	redirect   string // the address of another server, for each row
	slots      int    // more requests at once are answered with 429; 0 is no limit
	busy       int    // so many first rows are answered with 429
	full       int    // so many first rows are answered with 503, as SGLang does with a full queue
	loading    int    // so many first questions about the health are answered with 503
	noHealth   bool
	chatless   bool   // the model makes no chats and no completions
	exitAt     int64  // the row, from 1, at which the process ends
	failAt     int64  // the row, from 1, that is answered with 500
	refuse     string // a text in the body of each row that is answered with 400
}

// Main runs the program and returns its exit code: 0 after TERM or INT.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var c config
	flags := flag.NewFlagSet("fakeopenai", flag.ContinueOnError)
	flags.StringVar(&c.host, "host", "127.0.0.1", "the `address` to listen on")
	flags.StringVar(&c.port, "port", "0", "the `port` to listen on; 0 is a free one")
	flags.StringVar(&c.model, "model", "org/Model", "the `name` of the model")
	flags.StringVar(&c.key, "api-key", "", "the `key` that each request must have")
	flags.StringVar(&c.addressTo, "address-to", "", "`file` for the address")
	flags.StringVar(&c.bodiesTo, "bodies-to", "", "`file` to which requests are added")
	flags.StringVar(&c.redirect, "redirect", "", "`URL` to which rows are redirected")
	flags.IntVar(&c.slots, "slots", 0, "`number` of rows at once, above which rows are answered with 429")
	flags.IntVar(&c.busy, "busy", 0, "`number` of first rows that are answered with 429")
	flags.IntVar(&c.full, "full", 0, "`number` of first rows that are answered with 503")
	flags.IntVar(&c.loading, "loading", 0, "`number` of first questions about the health that are answered with 503")
	flags.BoolVar(&c.noHealth, "no-health", false, "there is no /health")
	flags.BoolVar(&c.chatless, "chatless", false, "the model makes no chats and no completions")
	flags.Int64Var(&c.exitAt, "exit-at", 0, "`row` at which the process ends")
	flags.Int64Var(&c.failAt, "fail-at", 0, "`row` that is answered with 500")
	flags.StringVar(&c.refuse, "refuse", "", "`text` in the body of rows that are answered with 400")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return 2
	}
	if err := run(ctx, c, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "fakeopenai:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, c config, log io.Writer) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(c.host, c.port))
	if err != nil {
		return err
	}
	address := "http://" + listener.Addr().String()
	if c.addressTo != "" {
		if err := os.WriteFile(c.addressTo+".part", []byte(address), 0o600); err != nil {
			return err
		}
		if err := os.Rename(c.addressTo+".part", c.addressTo); err != nil {
			return err
		}
	}
	s := &http.Server{Handler: newServer(c, log)}
	var ending sync.WaitGroup
	ending.Go(func() {
		<-ctx.Done()
		s.Close()
	})
	fmt.Fprintln(log, "fakeopenai listens at", address, "with CUDA_VISIBLE_DEVICES="+os.Getenv("CUDA_VISIBLE_DEVICES"))
	err = s.Serve(listener)
	ending.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
