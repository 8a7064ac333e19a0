package fakeollama

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ollama/ollama/api"
	"go.uber.org/goleak"

	"fluxworker/test/await"
)

// TestMain makes the test binary the program itself where a test starts it under the program's name. Otherwise no test
// may leave a goroutine behind.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "fakeollama" {
		os.Exit(Main())
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen.
const patience = await.Patience

// output collects what a stand-in prints and lets a test wait for it.
type output struct {
	mu      sync.Mutex
	text    []byte
	changed chan struct{} // closed and renewed at every write
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	close(o.changed)
	o.changed = make(chan struct{})
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// await waits for a match and returns its groups.
func (o *output) await(t *testing.T, pattern string) []string {
	t.Helper()
	re, deadline := regexp.MustCompile(pattern), time.After(patience)
	for {
		o.mu.Lock()
		m, changed := re.FindSubmatch(o.text), o.changed
		o.mu.Unlock()
		if m != nil {
			var groups []string
			for _, g := range m {
				groups = append(groups, string(g))
			}
			return groups
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("nothing printed that matches %q:\n%s", pattern, o)
		}
	}
}

// instance is a stand-in inside the test's own process.
type instance struct {
	url    string
	record string
	output *output
	client *http.Client
	stop   func() int // ends it, once, and tells the exit code
	done   chan struct{}
}

// start runs a stand-in; with listens it also waits for its address.
func start(t *testing.T, listens bool, env []string, flags ...string) *instance {
	t.Helper()
	s := &instance{
		record: filepath.Join(t.TempDir(), "record.json"),
		output: newOutput(),
		client: newClient(t),
		done:   make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(t.Context())
	argv := append(append([]string{"fakeollama", "--record", s.record}, flags...), "serve")
	code := 0
	go func() {
		defer close(s.done)
		code = run(ctx, argv, append([]string{"OLLAMA_HOST=127.0.0.1:0"}, env...), io.Discard, s.output)
	}()
	s.stop = func() int {
		cancel()
		<-s.done
		return code
	}
	t.Cleanup(func() { s.stop() })
	if listens {
		s.url = "http://" + s.output.await(t, `msg="Listening on (127\.0\.0\.1:\d+) \(version `)[1]
	}
	return s
}

// api is Ollama's own client, which must understand the stand-in.
func (s *instance) api(t *testing.T) *api.Client {
	t.Helper()
	base, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	return api.NewClient(base, s.client)
}

// ended stops the stand-in and reads what it recorded.
func (s *instance) ended(t *testing.T) Record {
	t.Helper()
	s.stop()
	r, err := ReadRecord(s.record)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// post sends a body and returns the status and the answer, or what went wrong on the way.
func (s *instance) post(ctx context.Context, path, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

// chatBody is a plain request; options is the inside of a JSON object.
func chatBody(content, options string) string {
	c, _ := json.Marshal(content)
	return `{"model":"bigram","messages":[{"role":"user","content":` + string(c) + `}],"stream":false,"truncate":false,"shift":false,"options":{` + options + `}}`
}

// recorded waits until the record on disk satisfies the condition.
func (s *instance) recorded(t *testing.T, what string, ok func(Record) bool) {
	t.Helper()
	await.Until(t, "the record to say "+what, func() bool {
		var r Record
		data, err := os.ReadFile(s.record)
		return err == nil && json.Unmarshal(data, &r) == nil && ok(r)
	})
}

// newClient makes a client that leaves no connection behind.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// awaitFile waits until a file has the text.
func awaitFile(t *testing.T, path, text string) {
	t.Helper()
	await.Until(t, fmt.Sprintf("%s to say %q", path, text), func() bool {
		data, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(data), text)
	})
}
