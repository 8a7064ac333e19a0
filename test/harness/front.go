package harness

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
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
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ollama/ollama/api"

	"fluxworker/test/fakenvml"
	"fluxworker/test/fakeollama"
)

// frontCommand makes a suite's test program a front, which is a real Ollama with a proxy before it: "front OLLAMA serve". The
// worker takes the proxy for the server. The proxy counts the answers that are asked for, in a file for each server in the
// folder FRONT_SEEN. More variables change what the worker sees:
//
//	FRONT_GPU=1        the server says that it computes on the GPUs that it was given, since the machine has none; a name as
//	                   NetworkNamespace returns it makes the server say so in that namespace only
//	FRONT_HOLDS=N      a GPU holds the model with N slots at most; with more slots a part of the model spills
//	FRONT_FAILS=N      a load with more than N slots fails for want of GPU memory, in llama.cpp's words
//	FRONT_FULL=UUID    this GPU does not hold the model at all
//	FRONT_SLOW=FILE    while the file is there, each answer takes two seconds
//	FRONT_PASS=FILE    while the file is there, only so many requests are answered as the number in it
//	FRONT_BODIES=FILE  the bodies of all requests, a line each with its path before it
const frontCommand = "front"

// Seen holds the counts of a front.
type Seen struct {
	Devices  string // CUDA_VISIBLE_DEVICES
	Slots    string // OLLAMA_NUM_PARALLEL
	Requests int
	Peak     int // in flight at once
}

// FrontEnv returns the environment in which fluxworker takes an Ollama behind a front for its server, for a shell of the user's.
func (j *Job) FrontEnv(g Generation) []string {
	j.T.Helper()
	if err := os.Mkdir(j.Path("seen"), 0o700); err != nil {
		j.T.Fatal(err)
	}
	return []string{"FLUXWORKER_OLLAMA=" + strings.Join([]string{self(j.T), frontCommand, g.Ollama}, " "), "FRONT_SEEN=" + j.Path("seen"), "FRONT_PASS=" + j.passFile()}
}

// UseFront puts a front before the job's servers.
func (j *Job) UseFront(g Generation, env ...string) {
	j.T.Helper()
	front := j.FrontEnv(g)
	_, command, _ := strings.Cut(front[0], "=")
	j.Args = append(j.Args, "--ollama", command)
	j.Env = append(append(j.Env, front[1:]...), env...)
}

// UseGPUs makes the job see the GPUs of a table, and its servers say that they compute there. It returns the table's file; see
// UseNVML.
func (j *Job) UseGPUs(g Generation, table string, env ...string) string {
	j.T.Helper()
	path := j.UseNVML(fakenvml.Build(j.T), table)
	j.UseFront(g, append([]string{"FRONT_GPU=1"}, env...)...)
	return path
}

// GPUs returns a table of n GPUs of 80 GB for UseGPUs, each with more words of that table's.
func GPUs(n int, more string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "gpu uuid=GPU-%d0000000-1111-2222-3333-444444444444 pci=00000000:0%d:00.0 reserved_mib=692 energy_mj=1000 util=40 %s\n", i, i, more)
	}
	return b.String()
}

// Seen returns what those fronts counted that were asked for an answer.
func (j *Job) Seen() []Seen {
	j.T.Helper()
	files, _ := filepath.Glob(j.Path("seen/*"))
	var all []Seen
	for _, file := range files {
		var s Seen
		data, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(data, &s)
		}
		if err != nil {
			j.T.Fatal(err)
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		j.T.Fatal("no server was asked")
	}
	return all
}

// NetworkNamespace returns the name of the network namespace of this process.
func NetworkNamespace() string {
	name, _ := os.Readlink("/proc/self/ns/net")
	return name
}

// saysGPU reports whether the server says that it computes on a GPU.
func saysGPU() bool {
	where := os.Getenv("FRONT_GPU")
	return where == "1" || where != "" && where == NetworkNamespace()
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
		if saysGPU() {
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
	file     string // with what was seen; each front has a name of its own, since all have the same process id in their namespaces
	mu       sync.Mutex
	inFlight int
	seen     Seen
	passed   atomic.Int64
}

// listenInFront listens on a port of its own and passes everything on to the server.
func listenInFront(server string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	f := &front{
		file:  fmt.Sprintf("%016x", rand.Uint64()),
		proxy: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server}),
		seen:  Seen{Devices: os.Getenv("CUDA_VISIBLE_DEVICES"), Slots: os.Getenv("OLLAMA_NUM_PARALLEL")},
	}
	if saysGPU() {
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
	if r.URL.Path == "/api/generate" && failsToLoad() {
		const words = "cudaMalloc failed: out of memory"
		fmt.Fprintln(os.Stderr, "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 81920.00 MiB on device 0: "+words)
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, `{"error":"llama runner process has terminated: %s"}`, words)
		return
	}
	if isRow(r.URL.Path, body) && !fakeollama.Hold(r.Context(), os.Getenv("FRONT_PASS"), int(f.passed.Add(1))) {
		return
	}
	if r.URL.Path == "/api/chat" {
		slowly(r.Context())
	}
	f.proxy.ServeHTTP(w, r)
}

// failsToLoad reports whether the server has more slots than FRONT_FAILS allows.
func failsToLoad() bool {
	most, limited := os.LookupEnv("FRONT_FAILS")
	return limited && number(os.Getenv("OLLAMA_NUM_PARALLEL")) > number(most)
}

// number returns the value of a variable; 0 where it is no number.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// isRow reports whether a request asks for the answer of a row, or for the vectors of some rows.
func isRow(path string, body []byte) bool {
	switch path {
	case "/api/chat":
		return !isProof(body)
	case "/api/embed": // without a text it loads the model
		return !bytes.Contains(body, []byte(`"input":[]`)) && !bytes.Contains(body, []byte(`"input":["1"]`))
	}
	return false
}

// isProof reports whether a request is the worker's own: to load the model, and to prove that the server answers.
func isProof(body []byte) bool {
	return !bytes.Contains(body, []byte(`"content":`)) || bytes.Contains(body, []byte(`"content":"1"`))
}

// slowly waits for two seconds, or until the file of FRONT_SLOW is gone.
func slowly(ctx context.Context) {
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(os.Getenv("FRONT_SLOW")); err != nil {
			return
		}
	}
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
	draft := filepath.Join(os.Getenv("FRONT_SEEN"), "..", "tmp", f.file) // a killed front leaves no half of one
	os.WriteFile(draft, data, 0o600)
	os.Rename(draft, filepath.Join(os.Getenv("FRONT_SEEN"), f.file))
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
	slots := number(os.Getenv("OLLAMA_NUM_PARALLEL"))
	holds, limited := os.LookupEnv("FRONT_HOLDS")
	most := number(holds)
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
