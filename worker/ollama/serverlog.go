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
	// maxLog bounds the log file: a long run makes a line or more for each request.
	maxLog = 16 << 20
	// tailLines is how much of the end an error message shows.
	tailLines = 15
	// maxLine bounds what a server without line ends can make us hold.
	maxLine = 64 << 10
)

var (
	listening = regexp.MustCompile(`Listening on (\S+:\d+)`)
	// In both generations, from llama.cpp ("load_tensors: offloaded 29/29 layers to GPU") and from Ollama's own engine.
	offloaded = regexp.MustCompile(`offloaded (\d+)/(\d+) layers to GPU`)
	compute   = regexp.MustCompile(`msg="inference compute" id=.*? library=(\S+)`) // a GPU's line has more in between
)

// serverLog reads what a server prints: into a file, its last lines into memory, and what the lines tell into channels.
type serverLog struct {
	address chan string   // gets the address that the server listens on
	library chan string   // gets the compute library of the first device found: "CUDA", "cpu"
	ended   chan struct{} // closed when the server's output has ended

	mu     sync.Mutex
	tail   []string
	layers *Layers // of the last load
}

// Layers is how many of a model's layers a server put on the GPU.
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

// read consumes r to its end. A log file that cannot be written any more stops nothing.
func (l *serverLog) read(r io.Reader, file *os.File) {
	defer close(l.ended)
	defer file.Close()
	written := 0
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, _, err := lines.ReadLine() // a longer line comes in pieces, which is good enough for a log
		if err != nil {
			return
		}
		text := string(line)
		if strings.HasPrefix(text, "[GIN]") {
			continue // one for each request, and they say nothing that the results do not
		}
		l.note(text)
		if written < maxLog {
			n, _ := file.WriteString(text + "\n")
			written += n
		}
	}
}

func (l *serverLog) note(line string) {
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
	if m := offloaded.FindStringSubmatch(line); m != nil {
		gpu, _ := strconv.Atoi(m[1])
		all, _ := strconv.Atoi(m[2])
		l.layers = &Layers{GPU: gpu, All: all}
	}
	if len(l.tail) == tailLines {
		l.tail = append(l.tail[:0], l.tail[1:]...)
	}
	l.tail = append(l.tail, line)
}

// offer sends the first value only.
func offer(c chan string, value string) {
	select {
	case c <- value:
	default:
	}
}

// last returns the log's last lines.
func (l *serverLog) last() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.tail...)
}
