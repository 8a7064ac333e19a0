package harness

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Registry is a registry on this machine that has the test model bigram, as Ollama's own has others.
type Registry struct {
	*httptest.Server
	Authority string // file with the certificate by which servers know it

	mu        sync.Mutex
	manifests int // how often the model's manifest was asked for
	begun     int // how often somebody began to fetch its weights
}

// NewRegistry starts a registry that ends with the test.
func NewRegistry(t *testing.T, g Generation) *Registry {
	t.Helper()
	r := &Registry{Authority: filepath.Join(t.TempDir(), "authority.pem")}
	manifest, err := os.ReadFile(filepath.Join(g.Models, "manifests", "registry.ollama.ai", "library", "bigram", "latest"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/library/bigram/manifests/latest", func(w http.ResponseWriter, _ *http.Request) {
		r.mu.Lock()
		r.manifests++
		r.mu.Unlock()
		w.Write(manifest)
	})
	// The files themselves are at another host, as those of Ollama's own registry are: its servers want to be sent there.
	files := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(g.Models, "blobs"))))
	t.Cleanup(files.Close)
	elsewhere := strings.Replace(files.URL, "127.0.0.1", "localhost", 1)
	mux.HandleFunc("GET /v2/library/bigram/blobs/{digest}", func(w http.ResponseWriter, q *http.Request) { // HEAD, too
		name := strings.Replace(q.PathValue("digest"), ":", "-", 1)
		info, err := os.Stat(filepath.Join(g.Models, "blobs", name))
		if err != nil {
			http.NotFound(w, q)
			return
		}
		if q.Method == http.MethodHead {
			if info.Size() > 1<<20 {
				r.mu.Lock()
				r.begun++
				r.mu.Unlock()
			}
			w.Header().Set("Content-Length", fmt.Sprint(info.Size()))
			return
		}
		http.Redirect(w, q, elsewhere+"/"+name, http.StatusTemporaryRedirect)
	})
	r.Server = httptest.NewTLSServer(mux)
	t.Cleanup(r.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	if err := os.WriteFile(r.Authority, certificate, 0o644); err != nil {
		t.Fatal(err)
	}
	return r
}

// Model returns the name by which the registry's model of that name is pulled.
func (r *Registry) Model(name string) string {
	return r.Listener.Addr().String() + "/library/" + name + ":latest"
}

// Fetched returns how often the model's manifest and its weights were asked for.
func (r *Registry) Fetched() (manifests, weights int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.manifests, r.begun
}
