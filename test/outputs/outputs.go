// Package outputs writes outputs as runs leave them: input, lines, records and moments. Tests of what reads an output use it
// where a real run would take long, or needs GPUs.
package outputs

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// Output describes an output.
type Output struct {
	Rows     int
	Shards   int // 0 for a whole output
	Attempts int // of each shard; all but the last were killed
	GPUs     int // of each shard
	// FailEvery and CutEvery make every n-th row fail or end at max_tokens; 0 means no row.
	FailEvery, CutEvery int
	// Text returns the prompt and the answer of a row; nil takes some words.
	Text func(row int) (question, answer string)
	// Name returns the custom_id of a row; nil takes a number.
	Name func(row int) string
}

// Began is the start of the first attempt.
func Began() time.Time { return time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC) }

// The times of a written run.
const (
	attemptTime = 25 * time.Minute
	loadTime    = 90 * time.Second
	momentEvery = 10 * time.Second
	pause       = 40 * time.Minute // between attempts
)

// Write writes input and output into a folder, and returns their paths.
func (o Output) Write(dir string) (output, in string, err error) {
	output, in = filepath.Join(dir, "results.jsonl"), filepath.Join(dir, "prompts.jsonl")
	if err := o.writeInput(in); err != nil {
		return "", "", err
	}
	w := writer{Output: o, chance: rand.New(rand.NewPCG(1, 2)), output: output, input: in}
	w.measure()
	for shard := range max(1, o.Shards) {
		paths, err := w.paths(shard)
		if err == nil {
			err = w.records(paths, shard)
		}
		if err != nil {
			return "", "", err
		}
	}
	return output, in, w.lines()
}

// text returns the prompt and the answer of a row.
func (o Output) text(i int) (question, answer string) {
	if o.Text != nil {
		return o.Text(i)
	}
	chance := rand.New(rand.NewPCG(uint64(i), 3))
	return fmt.Sprintf("Sum up report %d in a few words:\n%s", i, words(chance, 30+chance.IntN(60))), words(chance, 8+int(float64(60)*chance.ExpFloat64()))
}

func words(chance *rand.Rand, n int) string {
	const all = "the model reads a prompt and writes an answer about rivers towns bread music stone light winter letters birds and the sea"
	list := strings.Fields(all)
	var b strings.Builder
	for range n {
		b.WriteString(list[chance.IntN(len(list))])
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String()) + "."
}

func (o Output) writeInput(path string) error {
	return write(path, func(w io.Writer) error {
		for i := range o.Rows {
			name, question := fmt.Sprintf("row-%06d", i), ""
			if o.Name != nil {
				name = o.Name(i)
			}
			question, _ = o.text(i)
			line, err := json.Marshal(map[string]any{"custom_id": name, "messages": []map[string]string{{"role": "system", "content": "Answer in a few words."}, {"role": "user", "content": question}}})
			if err != nil {
				return err
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		return nil
	})
}

func write(path string, do func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	err = do(w)
	if err == nil {
		err = w.Flush()
	}
	return errors.Join(err, f.Close())
}

// writer is the state of Write.
type writer struct {
	Output
	chance        *rand.Rand
	output, input string
	in, out       int64 // mean tokens of a row
}

// measure sets the means of the tokens, by some rows.
func (w *writer) measure() {
	n := min(w.Rows, 200)
	for i := range n {
		question, answer := w.text(i)
		w.in += int64(tokensIn(question))
		w.out += int64(tokensOut(answer))
	}
	w.in, w.out = w.in/int64(max(1, n)), w.out/int64(max(1, n))
}

func tokensIn(question string) int { return len(question)/4 + 12 }
func tokensOut(answer string) int  { return len(answer)/5 + 1 }

func (w *writer) paths(shard int) (result.Paths, error) {
	s := result.Shard{}
	if w.Shards > 0 {
		s = result.Shard{Index: shard, Count: w.Shards}
	}
	return result.PathsOf(w.output, s)
}

// lines writes the lines of all shards: row i belongs to shard i mod n.
func (w *writer) lines() error {
	f, err := os.Open(w.input)
	if err != nil {
		return err
	}
	defer f.Close()
	type files struct{ answers, failures *bufio.Writer }
	all := make([]files, max(1, w.Shards))
	var open []*os.File
	defer func() {
		for _, f := range open {
			f.Close()
		}
	}()
	for i := range all {
		paths, err := w.paths(i)
		if err != nil {
			return err
		}
		for _, path := range []string{paths.Results, paths.Errors} {
			f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
			if err != nil {
				return err
			}
			open = append(open, f)
		}
		all[i] = files{bufio.NewWriter(open[2*i]), bufio.NewWriter(open[2*i+1])}
	}
	rows := prompt.NewReader(f, prompt.Options{NamesOnly: true})
	for i := range w.Rows {
		row, err := rows.Next()
		if err != nil {
			return err
		}
		line, failed := w.line(i, row)
		data, err := json.Marshal(line)
		if err != nil {
			return err
		}
		to := all[i%len(all)].answers
		if failed {
			to = all[i%len(all)].failures
		}
		if _, err := to.Write(append(data, '\n')); err != nil {
			return err
		}
	}
	for _, f := range all {
		if err := errors.Join(f.answers.Flush(), f.failures.Flush()); err != nil {
			return err
		}
	}
	return nil
}

// line returns the line of a row.
func (w *writer) line(i int, row prompt.Row) (line result.Line, failed bool) {
	line = result.Line{ID: row.Key.String(), CustomID: row.CustomID}
	if w.FailEvery > 0 && i%w.FailEvery == w.FailEvery-1 {
		codes := []string{"context_length_exceeded", "invalid_value", "invalid_json_line"}
		line.Error = &result.Failure{Code: codes[i/w.FailEvery%len(codes)], Message: fmt.Sprintf("the row %s cannot be asked", row.CustomID), Line: int64(i + 1)}
		return line, true
	}
	question, answer := w.text(i)
	reason := "stop"
	if w.CutEvery > 0 && i%w.CutEvery == w.CutEvery-1 {
		reason = "length"
	}
	usage := ollama.Usage{PromptTokens: tokensIn(question), CompletionTokens: tokensOut(answer)}
	if i%3 > 0 {
		usage.Prompt = &ollama.PromptDetails{CachedTokens: 12 + len(question)/16}
	}
	line.Response = &result.Response{StatusCode: 200, RequestID: "req_1", Body: ollama.Completion{
		Object: "chat.completion", Model: "llama3.2:3b", Usage: usage,
		Choices: []ollama.Choice{{Message: &ollama.Message{Role: "assistant", Content: &answer}, FinishReason: reason}},
	}}
	return line, false
}

// plan returns the servers of a shard.
func (w *writer) plan(shard int) record.Plan {
	p := record.Plan{Slots: 32, InFlight: 40, Context: 4096, Cache: "f16", Ubatch: 1024, Device: "auto", Command: []string{"ollama"}}
	if w.GPUs == 0 {
		p.Device, p.Slots, p.InFlight = "cpu", 4, 5
		p.Servers = []record.PlannedServer{{Slots: 4, Context: 4096, Isolated: true}}
	}
	for g := range w.GPUs {
		p.Servers = append(p.Servers, record.PlannedServer{
			GPUs: []string{uuid(shard, g)}, GPU: gpuName, Slots: 32, Context: 4096, Isolated: true, Bytes: 21 << 30, MeasuredBytes: []int64{20 << 30},
			Terms: []batcher.Term{{Name: "weights", Bytes: 2 << 30, Note: "the model's files"}, {Name: "KV cache", Bytes: 18 << 30, Note: "32 slots of 4096 tokens, f16"}, {Name: "compute", Bytes: 1 << 30, Note: "ubatch 1024"}},
		})
	}
	return p
}

const gpuName = "NVIDIA H100 80GB HBM3"

func uuid(shard, gpu int) string {
	return fmt.Sprintf("GPU-%08x-5c1d-42f0-9a61-3f0c5d7e%04x", shard, gpu)
}
