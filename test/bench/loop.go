package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// loop runs the closed loop as a process of its own. The requests are those of fluxworker with the same arguments.
func (b *bench) loop(ctx context.Context, url string, connections int, r rows, args ...string) (usage, error) {
	template, err := b.requestTemplate(ctx, args...)
	if err != nil {
		return usage{}, err
	}
	return b.loopOver(ctx, url+"/api/chat", connections, r, template)
}

// loopOver runs the closed loop with the requests of a template. The URL names the endpoint, too.
func (b *bench) loopOver(ctx context.Context, url string, connections int, r rows, template string) (usage, error) {
	with := []string{loopCommand, "-url", url, "-connections", strconv.Itoa(connections), "-template", template}
	if r.texts != nil {
		with = append(with, "-texts", b.path("texts.txt"))
		if err := os.WriteFile(b.path("texts.txt"), []byte(strings.Join(r.texts, "\n")), 0o600); err != nil {
			return usage{}, err
		}
	} else {
		with = append(with, "-rows", strconv.Itoa(r.count), "-bytes", strconv.Itoa(r.bytes), "-last", string(r.last))
	}
	return b.process(ctx, process{dir: b.scratch, program: b.self, args: with})
}

// runLoop is the closed loop: it asks a server the same rows as fluxworker does, in the same bytes, and throws the answers
// away. Each connection asks its next row when it has the answer to the last. So it is what net/http has to give.
func runLoop(args []string) error {
	flags := flag.NewFlagSet(loopCommand, flag.ContinueOnError)
	url := flags.String("url", "", "`URL` of the endpoint")
	connections := flags.Int("connections", 1, "how many rows are asked at once")
	template := flags.String("template", "", "`file` with a request as fluxworker sends it")
	last := flags.String("last", string(longAnswer), "the last `character` of a prompt")
	var r rows
	flags.IntVar(&r.count, "rows", 1, "how many there are")
	flags.IntVar(&r.bytes, "bytes", shortRow, "length of a prompt")
	texts := flags.String("texts", "", "`file` with a prompt in each line, instead of rows of one shape")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r.last = (*last)[0]
	if *texts != "" {
		data, err := os.ReadFile(*texts)
		if err != nil {
			return err
		}
		r = rowsOf(strings.Split(string(data), "\n"))
	}
	return closedLoop(*url, *connections, *template, r)
}

func closedLoop(url string, connections int, template string, r rows) error {
	before, after, err := readTemplate(template)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections, DisableCompression: true,
	}}
	defer client.CloseIdleConnections()
	prompt := r.prompts()
	var next atomic.Int64
	var asking sync.WaitGroup
	failed := make(chan error, connections)
	for range connections {
		asking.Go(func() {
			var body []byte
			for i := next.Add(1) - 1; i < int64(r.count); i = next.Add(1) - 1 {
				body = append(prompt(append(body[:0], before...), int(i)), after...)
				if err := post(client, url, body); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	asking.Wait()
	close(failed)
	return <-failed
}

func post(client *http.Client, url string, body []byte) error {
	answer, err := client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the server says %s", answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// readTemplate splits a request around its prompt or its text.
func readTemplate(path string) (before, after []byte, err error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	var request struct {
		Messages []struct{ Content json.RawMessage }
		Input    []json.RawMessage
	}
	if err := json.Unmarshal(body, &request); err != nil || len(request.Messages)+len(request.Input) != 1 {
		return nil, nil, fmt.Errorf("read %s: want a request with one message or one text: %w", path, err)
	}
	content := request.Input
	for _, m := range request.Messages {
		content = append(content, m.Content)
	}
	before, after, _ = bytes.Cut(body, content[0])
	return append(before[:len(before):len(before)], '"'), append([]byte{'"'}, after...), nil
}
