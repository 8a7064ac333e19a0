package release

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// releases is a server of Ollama's releases on loopback, with archives laid out as those of Ollama.
type releases struct {
	url string

	mu       sync.Mutex
	files    map[string][]byte // by path, such as /v0.34.3/sha256sum.txt
	sizes    map[string]int64  // that HEAD claims, where it is not the true one
	cut      []int64           // after so many bytes of an answer the connection ends, one for each of the next answers
	atCut    func()            // what happens before that end
	ranges   bool              // whether the server can send the rest of a file
	requests []string          // each with its range: "GET /v0.34.3/… bytes=7-"
}

func serveReleases(t *testing.T) *releases {
	t.Helper()
	r := &releases{files: make(map[string][]byte), sizes: make(map[string]int64), ranges: true}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// add publishes an archive under a version, with its checksum.
func (r *releases) add(version, name string, archive []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files["/v"+version+"/"+name] = archive
	sums := "/v" + version + "/sha256sum.txt"
	r.files[sums] = append(r.files[sums], fmt.Sprintf("%x  ./%s\n", sha256.Sum256(archive), name)...)
}

// seen returns the requests until now, and forgets them.
func (r *releases) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.requests
	r.requests = nil
	return seen
}

func (r *releases) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, strings.TrimSpace(req.Method+" "+req.URL.Path+" "+req.Header.Get("Range")))
	file, ok := r.files[req.URL.Path]
	size, lied := r.sizes[req.URL.Path]
	cut := int64(-1)
	if ok && req.Method == http.MethodGet && len(r.cut) > 0 && strings.HasSuffix(req.URL.Path, ".zst") {
		cut, r.cut = r.cut[0], r.cut[1:]
	}
	atCut := r.atCut
	if !r.ranges {
		req.Header.Del("Range")
	}
	r.mu.Unlock()
	switch {
	case !ok:
		http.NotFound(w, req)
	case lied && req.Method == http.MethodHead:
		w.Header().Set("Content-Length", fmt.Sprint(size))
	default:
		if cut >= 0 {
			w = &cutOff{ResponseWriter: w, left: cut, before: atCut}
		}
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(file))
	}
}

// cutOff ends the connection in the middle of an answer.
type cutOff struct {
	http.ResponseWriter
	left   int64
	before func()
}

func (c *cutOff) Write(p []byte) (int, error) {
	if int64(len(p)) <= c.left {
		c.left -= int64(len(p))
		return c.ResponseWriter.Write(p)
	}
	c.ResponseWriter.Write(p[:c.left])
	http.NewResponseController(c.ResponseWriter).Flush()
	if c.before != nil {
		c.before()
	}
	panic(http.ErrAbortHandler)
}

// program is a bin/ollama that tells its version as Ollama does without a server.
func program(version string) []byte {
	return []byte("#!/bin/sh\necho 'Warning: could not connect to a running Ollama instance'\necho 'Warning: client version is " + version + "'\n")
}

// ollamaArchive packs a program as bin/ollama, beside libraries of a few MB that no compression makes smaller.
func ollamaArchive(t *testing.T, program []byte) []byte {
	t.Helper()
	library := make([]byte, 3<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range library {
		library[i] = byte(random.Uint32())
	}
	var archive bytes.Buffer
	compressed, err := zstd.NewWriter(&archive, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewWriter(compressed)
	for _, f := range []struct {
		name string
		data []byte
	}{{"bin/ollama", program}, {"lib/ollama/libggml-base.so", library}, {"lib/ollama/cuda_v12/libggml-cuda.so", library[:1<<20]}} {
		if err := files.WriteHeader(&tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if err := compressed.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// left lists what is in a folder, without what is below.
func left(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, filepath.Base(e.Name()))
	}
	return strings.Join(names, " ")
}
