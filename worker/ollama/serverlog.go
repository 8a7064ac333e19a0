package ollama

import (
	"bufio"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

const (
	// maxLog limits the log file in bytes: a long run has at least one line per request.
	maxLog = 16 << 20
	// tailLines is the number of last lines in an error message.
	tailLines = 15
	// maxLine limits the memory in bytes for output without line ends.
	maxLine = 64 << 10
)

var (
	listening = regexp.MustCompile(`Listening on (\S+:\d+)`)
	// Both generations print it: llama.cpp ("load_tensors: offloaded 29/29 layers to GPU") and Ollama's own engine.
	offloaded = regexp.MustCompile(`offloaded (\d+)/(\d+) layers to GPU`)
	// The first four are of ggml's CUDA backend and llama.cpp, the last is of Ollama's own engine (v0.24.0 llm/server.go, Load).
	outOfMemory = regexp.MustCompile(`cudaMalloc failed|out of memory|unable to allocate CUDA\d+ buffer|failed to allocate CUDA\d+ buffer|memory layout cannot be allocated`)
	compute     = regexp.MustCompile(`msg="inference compute" id=.*? library=(\S+)`) // a line for a GPU has more fields in between
)

// serverLog reads the server's output: it copies the lines to a file, keeps the last lines in memory, and sends parsed
// values to channels.
type serverLog struct {
	address chan string   // receives the server's listening address
	library chan string   // receives the compute library of the first device: "CUDA", "cpu"
	ended   chan struct{} // closed at the end of the server's output

	mu     sync.Mutex
	tail   []string
	config map[string]string // the settings that the server reported, by variable
	layers *Layers           // of the last model load
	noRoom bool              // an allocation on a GPU failed
}

// Layers holds the number of a model's layers on the GPU and in total.
type Layers struct {
	GPU int `json:"gpu"`
	All int `json:"all"`
}

func newServerLog() *serverLog {
	return &serverLog{
		address: make(chan string, 1),
		library: make(chan string, 1),
		ended:   make(chan struct{}),
	}
}

// read consumes r to its end. It continues if it cannot write to the log file.
func (l *serverLog) read(r io.Reader, file *os.File) {
	defer close(l.ended)
	defer file.Close()
	written := 0
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, _, err := lines.ReadLine() // a longer line comes in pieces; the log may split it
		if err != nil {
			return
		}
		text := string(line)
		if strings.HasPrefix(text, "[GIN]") || strings.HasSuffix(text, ` HTTP/1.1" 200 OK`) { // Ollama; vLLM and SGLang
			continue // one line per request, without information beyond the results
		}
		l.parse(text)
		if written < maxLog {
			n, _ := file.WriteString(text + "\n")
			written += n
		}
	}
}

func (l *serverLog) parse(line string) {
	if m := listening.FindStringSubmatch(line); m != nil {
		offer(l.address, m[1])
	}
	if m := compute.FindStringSubmatch(line); m != nil {
		offer(l.library, m[1])
	}
	if strings.TrimSpace(line) == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if config := parseConfig(line); config != nil {
		l.config = config
	}
	if m := offloaded.FindStringSubmatch(line); m != nil {
		gpu, _ := strconv.Atoi(m[1])
		all, _ := strconv.Atoi(m[2])
		l.layers = &Layers{GPU: gpu, All: all}
	}
	l.noRoom = l.noRoom || outOfMemory.MatchString(line)
	if len(l.tail) == tailLines {
		l.tail = append(l.tail[:0], l.tail[1:]...)
	}
	l.tail = append(l.tail, line)
}

// offer sends the value if the channel is empty: only the first value counts.
func offer(c chan string, value string) {
	select {
	case c <- value:
	default:
	}
}

// last returns a copy of the log's last lines.
func (l *serverLog) last() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.tail...)
}
