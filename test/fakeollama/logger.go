package fakeollama

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// logger prints Ollama's output to the same streams as Ollama.
type logger struct {
	mu             sync.Mutex
	stdout, stderr io.Writer
}

// print prints a line of Ollama's own log.
func (l *logger) print(source, level, message, attributes string) {
	if attributes != "" {
		attributes = " " + attributes
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.stderr, "time=%s level=%s source=%s msg=%q%s\n",
		time.Now().Format("2006-01-02T15:04:05.000Z07:00"), level, source, message, attributes)
}

func (l *logger) listening(address, version string) {
	l.print("routes.go:2031", "INFO", fmt.Sprintf("Listening on %s (version %s)", address, version), "")
}

// compute prints the device. In both generations a GPU's line has a filter_id between id and library, and the CPU's
// line has none.
func (l *logger) compute(gpu bool) {
	device := `id=cpu library=cpu compute="" name=cpu description=cpu libdirs=ollama driver="" pci_id="" type="" ` +
		`total="31.3 GiB" available="30.4 GiB"`
	if gpu {
		device = `id=GPU-5d3f5e2c-0f3a-4c55-9d0e-6a1b2c3d4e5f filter_id="" library=CUDA compute=9.0 name=CUDA0 ` +
			`description="NVIDIA H100 80GB HBM3" libdirs=ollama,cuda_v13 driver=13.0 pci_id=0000:18:00.0 type=discrete ` +
			`total="79.6 GiB" available="79.1 GiB"`
	}
	l.print("types.go:32", "INFO", "inference compute", device)
}

// request prints the line of a request.
func (l *logger) request(status int, took time.Duration, method, path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.stdout, "[GIN] %s | %3d | %13v | %15s | %-7s %q\n",
		time.Now().Format("2006/01/02 - 15:04:05"), status, took, "127.0.0.1", method, path)
}
