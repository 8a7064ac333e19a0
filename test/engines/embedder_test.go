package engines

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fluxworker/test/harness"
)

const embedderWidth = 64 // of tiny-bert's vectors

// embedderTokens are the dimensions of a text's tokens for tiny-bert (test/engine/o/mkgguf/embedder.go): one for each
// character, between a begin and an end.
func embedderTokens(text string) []int {
	const unknown, begin, end = 36, 37, 38
	tokens := []int{begin}
	for word := range strings.FieldsSeq(text) {
		for _, c := range word {
			kind := strings.IndexRune("0123456789abcdefghijklmnopqrstuvwxyz", c)
			if kind < 0 {
				kind = unknown
			}
			tokens = append(tokens, kind)
		}
	}
	return append(tokens, end)
}

// vectorOf is the first numbers of tiny-bert's vector of a text, normalised.
func vectorOf(text string, dimensions int) []float64 {
	tokens := embedderTokens(text)
	v := make([]float64, embedderWidth)
	for _, d := range tokens {
		v[d]++
	}
	sum := 0.0
	for d := range dimensions {
		v[d] -= float64(len(tokens)) / embedderWidth
		sum += v[d] * v[d]
	}
	for d := range dimensions {
		v[d] /= math.Sqrt(sum)
	}
	return v[:dimensions]
}

// isVector compares a vector of an answer, numbers or base64, with the right one.
func isVector(got any, want []float64) bool {
	var v []float64
	switch got := got.(type) {
	case string:
		data, err := base64.StdEncoding.DecodeString(got)
		if err != nil || len(data)%4 != 0 {
			return false
		}
		for b := range slices.Chunk(data, 4) {
			v = append(v, float64(math.Float32frombits(uint32(b[0])|uint32(b[1])<<8|uint32(b[2])<<16|uint32(b[3])<<24)))
		}
	case []any:
		for _, x := range got {
			v = append(v, x.(float64))
		}
	}
	const rounding = 1e-5
	return slices.EqualFunc(v, want, func(a, b float64) bool { return math.Abs(a-b) < rounding })
}

func embeddingRow(id string, input any, fields ...string) string {
	text, _ := json.Marshal(input)
	return fmt.Sprintf(`{"custom_id":%q,"url":"/v1/embeddings","body":{%s}}`, id, strings.Join(append([]string{`"input":` + string(text)}, fields...), ","))
}

// A model that only embeds is planned with one slot in each server, as many as rows are to be asked at once, and loaded and
// proved by embeddings. Every vector is right.
func TestEmbedder(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x ", 510)                   // which is all that the model takes, with begin and end
	several := []string{"zz9", "hello world", "a b c?"} // whose last word is unknown
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--model", "tiny-bert", "--batch-size", "2", "--context", "auto")
		j.UseGPUs(g, harness.GPUs(1, ""))
		j.Write(
			embeddingRow("one", "ab c"),
			embeddingRow("several", several),
			embeddingRow("short", "ab c", `"dimensions":12`),
			embeddingRow("base64", "ab c", `"encoding_format":"base64"`),
			embeddingRow("both", several, `"dimensions":20`, `"encoding_format":"base64"`),
			embeddingRow("long", long),
			embeddingRow("too long", []string{"ab", long + "x"}),
			embeddingRow("wide", "ab c", `"dimensions":65`),
			chatRow("text", "x"),
			`{"custom_id":"completion","url":"/v1/completions","body":{"prompt":"x"}}`,
		)
		j.Run(3)
		results, failed := j.RawLines("results.jsonl"), j.RawLines("results-errors.jsonl")
		for id, want := range map[string]struct {
			texts      []string
			dimensions int
		}{
			"one": {[]string{"ab c"}, embedderWidth}, "several": {several, embedderWidth}, "short": {[]string{"ab c"}, 12},
			"base64": {[]string{"ab c"}, embedderWidth}, "both": {several, 20}, "long": {[]string{long}, embedderWidth},
		} {
			checkVectors(t, results[id], want.texts, want.dimensions)
		}
		for id, want := range map[string]struct{ code, message string }{
			"too long":   {"context_length_exceeded", "the longest context that the model has is 512 tokens"},
			"wide":       {"invalid_request", "asks for 65 dimensions, but the model's vectors have 64"},
			"text":       {"invalid_request", "does not support chat"},
			"completion": {"invalid_request", "does not support generate"},
		} {
			e := at(failed[id], "response", "body", "error")
			if message, _ := at(e, "message").(string); at(e, "code") != want.code || !strings.Contains(message, want.message) {
				t.Errorf("%s: %v, %v", id, results[id], failed[id])
			}
		}
		var m harness.Manifest
		j.Read("results.run/manifest.json", &m)
		if servers := m.Plan.Servers; len(servers) != 2 || servers[0].Slots != 1 || servers[1].Slots != 1 || m.Plan.Context != 512 {
			t.Errorf("the plan is %+v; want two servers with one slot of 512 tokens", m.Plan)
		}
		logs, _ := filepath.Glob(j.Path("results.run/server*.log"))
		for _, path := range logs {
			log, err := os.ReadFile(path)
			if loads := modelLoad.FindAll(log, -1); err != nil || len(loads) != 1 {
				t.Errorf("%s: the model was loaded %d times, want once (%v)", path, len(loads), err)
			}
		}
		if len(logs) != 2 {
			t.Errorf("the servers' logs are %v, want two", logs)
		}
	})
}

// checkVectors compares a line's vectors with the right ones of its texts.
func checkVectors(t *testing.T, line map[string]any, texts []string, dimensions int) {
	t.Helper()
	body := at(line, "response", "body")
	if data, _ := at(body, "data").([]any); len(data) != len(texts) {
		t.Errorf("%d vectors of %d texts: %v", len(data), len(texts), line)
	}
	tokens := 0
	for i, text := range texts {
		tokens += len(embedderTokens(text))
		if item := at(body, "data", i); at(item, "index") != float64(i) || !isVector(at(item, "embedding"), vectorOf(text, dimensions)) {
			t.Errorf("%v: text %d has the vector %v", at(line, "custom_id"), i, item)
		}
	}
	n, _ := at(body, "usage", "prompt_tokens").(float64)
	estimated := at(body, "usage", "estimated") == true // it shared a request with other rows
	if n != float64(tokens) && !estimated || n < 1 {
		t.Errorf("%v: %v tokens, want %d", at(line, "custom_id"), n, tokens)
	}
}

// A file that only embeds is asked for vectors as it lies, and needs no template.
func TestEmbedderFile(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := newFileJob(t, g, filepath.Join(g.Files, "tiny-bert.gguf"))
		// A context is asked for, but the model has no more than that.
		j.Write(embeddingRow("one", "ab c"), embeddingRow("too long", strings.Repeat("x ", 511)))
		j.Run(3)
		tooLong := at(j.RawLines("results-errors.jsonl")["too long"], "response", "body", "error")
		if message, _ := at(tooLong, "message").(string); at(tooLong, "code") != "context_length_exceeded" || !strings.Contains(message, "the context length is 512: that is all that the model has") {
			t.Errorf("too long: %v", tooLong)
		}
		checkVectors(t, j.RawLines("results.jsonl")["one"], []string{"ab c"}, embedderWidth)
		if said := j.Stderr.String(); strings.Contains(said, "template") || !strings.Contains(said, "answers one row at a time for models such as tiny-bert: one slot instead of 8") {
			t.Error("want a warning of the one slot, and none of a template")
		}
	})
}

// The vectors in the lines are those that the server gives to whoever asks it by its own interface for OpenAI's clients, bit
// by bit.
func TestVectorsAreTheServers(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		url := serveModels(t, g)
		j := g.NewJob(t, "--model", "tiny-bert", "--ollama-url", url, "--batch-size", "1")
		inputs := map[string]string{"string": `"ab c"`, "list": `["zz9","hello world"]`, "coded": `"ab c","encoding_format":"base64"`, "few": `"hello","dimensions":7`}
		var rows []string
		for id, input := range inputs {
			rows = append(rows, fmt.Sprintf(`{"custom_id":%q,"url":"/v1/embeddings","body":{"input":%s}}`, id, input))
		}
		j.Write(rows...)
		j.Run(0)
		results := j.RawLines("results.jsonl")
		for id, input := range inputs {
			response, err := http.Post(url+"/v1/embeddings", "application/json", strings.NewReader(`{"model":"tiny-bert","input":`+input+`}`))
			if err != nil {
				t.Fatal(err)
			}
			var direct map[string]any
			err = json.NewDecoder(response.Body).Decode(&direct)
			response.Body.Close()
			ours := at(results[id], "response", "body")
			want, _ := json.Marshal(direct["data"])
			got, _ := json.Marshal(at(ours, "data"))
			if err != nil || !bytes.Equal(got, want) || at(ours, "usage", "prompt_tokens") != at(direct, "usage", "prompt_tokens") {
				t.Errorf("%s: the line has %s and %v; the server says %s and %v (%v)", id, got, at(ours, "usage"), want, direct["usage"], err)
			}
		}
	})
}

// serveModels starts a server of the tiny models that is not fluxworker's, and returns its address. It ends with the test.
func serveModels(t *testing.T, g harness.Generation) string {
	t.Helper()
	cmd := exec.Command(g.Ollama, "serve")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "OLLAMA_HOST=127.0.0.1:0", "OLLAMA_MODELS="+g.Models, "OLLAMA_NOPRUNE=1", "OLLAMA_NO_CLOUD=1")
	log, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(log)
	for {
		text, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the server ended before it listened (%v)", cmd.Wait())
		}
		if found := listening.FindStringSubmatch(text); found != nil {
			drained := make(chan struct{})
			go func() {
				defer close(drained)
				io.Copy(io.Discard, lines)
			}()
			t.Cleanup(func() {
				http.DefaultClient.CloseIdleConnections()
				cmd.Process.Signal(syscall.SIGTERM)
				<-drained
				cmd.Wait()
			})
			return "http://" + found[1]
		}
	}
}
