package ollama

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The lines come from real servers: Ollama 0.24.0 and 0.34.3.
func TestServerLogReadsWhatServersSay(t *testing.T) {
	const (
		listens = `time=2026-11-23T23:09:10.663Z level=INFO source=routes.go:1864 msg="Listening on 127.0.0.1:37563 (version 0.24.0)"`
		onCPU   = `time=2026-11-23T23:09:10.692Z level=INFO source=types.go:60 msg="inference compute" id=cpu library=cpu compute="" name=cpu description=cpu libdirs=ollama driver="" pci_id="" type="" total="23.5 GiB" available="23.2 GiB"`
		onGPU   = `time=2026-11-23T23:09:10.692Z level=INFO source=types.go:42 msg="inference compute" id=GPU-5d3f5e2c-0f3a-4c55-9d0e-6a1b2c3d4e5f filter_id="" library=CUDA compute=9.0 name=CUDA0 description="NVIDIA H100 80GB HBM3"`
		request = `[GIN] 2026/11/23 - 23:09:10 | 200 |      95.531µs |       127.0.0.1 | POST     "/api/chat"`
		access  = `(APIServer pid=4711) INFO:     127.0.0.1:43130 - "POST /v1/chat/completions HTTP/1.1" 200 OK`
	)
	for _, tt := range []struct{ line, library string }{{onCPU, "cpu"}, {onGPU, "CUDA"}} {
		file, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("x", 3*maxLine)
		l := newServerLog()
		l.read(strings.NewReader(strings.Join([]string{"first", listens, tt.line, "", request, access, long, "last"}, "\n")), file)
		if got := <-l.address; got != "127.0.0.1:37563" {
			t.Errorf("address %q", got)
		}
		if got := <-l.library; got != tt.library {
			t.Errorf("library %q, want %q", got, tt.library)
		}
		last := l.last()
		if last[0] != "first" || last[len(last)-1] != "last" || slices.Contains(last, request) {
			t.Errorf("tail %.200q", last)
		}
		written, _ := os.ReadFile(file.Name())
		if strings.Contains(string(written), "[GIN]") || strings.Contains(string(written), "200 OK") || !strings.Contains(string(written), long[:maxLine]) {
			t.Errorf("log file of %d bytes: requests must not be in it, long lines in pieces", len(written))
		}
	}
}

func TestServerLogIsBounded(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	l := newServerLog()
	line := strings.Repeat("y", 1023) + "\n"
	l.read(strings.NewReader(strings.Repeat(line, maxLog/1024+500)+"the end\n"), file)
	info, err := os.Stat(file.Name())
	if err != nil || info.Size() > maxLog+1024 {
		t.Errorf("log file: %v, %v", info.Size(), err)
	}
	if last := l.last(); len(last) != tailLines || last[tailLines-1] != "the end" {
		t.Errorf("the tail is not the end: %d lines", len(last))
	}
}
