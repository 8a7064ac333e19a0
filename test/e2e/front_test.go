package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ollama/ollama/api"
)

// frontCommand makes the test binary a real Ollama with a proxy in front: "front OLLAMA serve". The worker takes the proxy
// for the server. It counts the answers that are asked for, into a file for each server in the folder FRONT_SEEN.
//
// FRONT_GPU makes the server say that it computes on the GPUs that it was given, since there is none here; with
// FRONT_HOLDS=N a GPU holds the model with N slots at most, and with more a part of it spills. While the file FRONT_SLOW is
// there, each answer takes two seconds more. Into the file FRONT_BODIES go the bodies of all requests, a line each with its
// path before it.
const frontCommand = "front"

// seen is what a front has counted.
type seen struct {
	Devices  string // CUDA_VISIBLE_DEVICES
	Slots    string // OLLAMA_NUM_PARALLEL
	Requests int
	Peak     int // in flight at once
}

// useFront puts a front before the job's servers.
func (j *job) useFront(g generation, env ...string) {
	j.t.Helper()
	self, err := os.Executable()
	if err == nil {
		err = os.Mkdir(j.path("seen"), 0o700)
	}
	if err != nil {
		j.t.Fatal(err)
	}
	j.args = append(j.args, "--ollama", strings.Join([]string{self, frontCommand, g.ollama}, " "))
	j.env = append(append(j.env, "FRONT_SEEN="+j.path("seen")), env...)
}

// seen returns what the fronts counted that were asked at all.
func (j *job) seen() []seen {
	j.t.Helper()
	files, _ := filepath.Glob(j.path("seen/*"))
	var all []seen
	for _, file := range files {
		var s seen
		data, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(data, &s)
		}
		if err != nil {
			j.t.Fatal(err)
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		j.t.Fatal("no server was asked")
	}
	return all
}

// onCPU is the line by which the old generation's own engine says that it computes on the CPU.
var onCPU = regexp.MustCompile(`offloaded 0/(\d+) layers to GPU`)

func serveFront(argv []string) int {
	server := exec.Command(argv[0], argv[1:]...)
	output, err := server.StderrPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		server.Process.Signal(syscall.SIGTERM)
	}()

	address := regexp.MustCompile(`Listening on (127\.0\.0\.1:\d+)`)
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		if m := address.FindStringSubmatch(line); m != nil {
			own, err := listenInFront(m[1])
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			line = address.ReplaceAllLiteralString(line, "Listening on "+own)
		}
		if os.Getenv("FRONT_GPU") != "" {
			line = strings.Replace(line, "id=cpu library=cpu", `id=GPU-0 filter_id="" library=CUDA`, 1)
			line = onCPU.ReplaceAllString(line, "offloaded $1/$1 layers to GPU")
		}
		fmt.Fprint(os.Stderr, line)
	}
	server.Wait()
	return server.ProcessState.ExitCode()
}

// front passes requests on to a server and counts them.
type front struct {
	proxy    *httputil.ReverseProxy
	mu       sync.Mutex
	inFlight int
	seen     seen
}

// listenInFront listens on a port of its own and passes everything on to the server.
func listenInFront(server string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	f := &front{
		proxy: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server}),
		seen:  seen{Devices: os.Getenv("CUDA_VISIBLE_DEVICES"), Slots: os.Getenv("OLLAMA_NUM_PARALLEL")},
	}
	if os.Getenv("FRONT_GPU") != "" {
		f.proxy.ModifyResponse = pretendGPU
	}
	go http.Serve(l, f)
	return l.Addr().String(), nil
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/api/chat" {
		f.count(1)
		defer f.count(-1)
	}
	// The whole request first: a server that answers before the proxy has seen the body's end would break the answer off,
	// since Go's server closes a body that is still read when the answer begins.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the worker has gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.keep(r.URL.Path, body)
	if _, err := os.Stat(os.Getenv("FRONT_SLOW")); err == nil && r.URL.Path == "/api/chat" {
		select {
		case <-time.After(2 * time.Second):
		case <-r.Context().Done():
		}
	}
	f.proxy.ServeHTTP(w, r)
}

// keep writes a body down, where that is wanted.
func (f *front) keep(path string, body []byte) {
	name := os.Getenv("FRONT_BODIES")
	if name == "" || len(body) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer file.Close()
	fmt.Fprintf(file, "%s %s\n", path, bytes.ReplaceAll(body, []byte("\n"), nil))
}

func (f *front) count(change int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight += change
	if change < 0 {
		return
	}
	f.seen.Requests++
	f.seen.Peak = max(f.seen.Peak, f.inFlight)
	data, _ := json.Marshal(f.seen)
	name, _ := os.Readlink("/proc/self")                               // the process id outside of the server's own namespace, where each front has the same
	draft := filepath.Join(os.Getenv("FRONT_SEEN"), "..", "tmp", name) // a killed front leaves no half of one
	os.WriteFile(draft, data, 0o600)
	os.Rename(draft, filepath.Join(os.Getenv("FRONT_SEEN"), name))
}

// pretendGPU makes /api/ps say that a loaded model is on the GPU, as far as the GPU holds it.
func pretendGPU(r *http.Response) error {
	if r.Request.URL.Path != "/api/ps" {
		return nil
	}
	var running api.ProcessResponse
	if err := json.NewDecoder(r.Body).Decode(&running); err != nil {
		return err
	}
	slots, _ := strconv.Atoi(os.Getenv("OLLAMA_NUM_PARALLEL"))
	holds, limited := os.LookupEnv("FRONT_HOLDS")
	most, _ := strconv.Atoi(holds)
	for i := range running.Models {
		m := &running.Models[i]
		m.SizeVRAM = m.Size
		if limited && slots > most || os.Getenv("FRONT_FULL") == os.Getenv("CUDA_VISIBLE_DEVICES") {
			m.SizeVRAM = m.Size / 2
		}
	}
	data, err := json.Marshal(running)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(strings.NewReader(string(data)))
	r.ContentLength = int64(len(data))
	r.Header.Set("Content-Length", strconv.Itoa(len(data)))
	return nil
}

// A front is of use only if it is not in the way.
func TestFrontNeedsARealServer(t *testing.T) {
	if code := serveFront([]string{"/nonexistent/ollama", "serve"}); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}
