package e2e

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fluxworker/test/slurm"
)

// registry is a place to pull the tiny model from, as Ollama's own is one, on this machine.
type registry struct {
	*httptest.Server
	authority string // file with the certificate by which servers know it

	mu        sync.Mutex
	manifests int // how often the model's manifest was asked for
	begun     int // how often somebody began to fetch its weights
}

func newRegistry(t *testing.T, g generation) *registry {
	t.Helper()
	r := &registry{authority: filepath.Join(t.TempDir(), "authority.pem")}
	manifest, err := os.ReadFile(filepath.Join(g.models, "manifests", "registry.ollama.ai", "library", "bigram", "latest"))
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
	files := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(g.models, "blobs"))))
	t.Cleanup(files.Close)
	elsewhere := strings.Replace(files.URL, "127.0.0.1", "localhost", 1)
	mux.HandleFunc("GET /v2/library/bigram/blobs/{digest}", func(w http.ResponseWriter, q *http.Request) { // HEAD, too
		name := strings.Replace(q.PathValue("digest"), ":", "-", 1)
		info, err := os.Stat(filepath.Join(g.models, "blobs", name))
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
	if err := os.WriteFile(r.authority, certificate, 0o644); err != nil {
		t.Fatal(err)
	}
	return r
}

// model is the name by which the registry's model of that name is pulled.
func (r *registry) model(name string) string {
	return r.Listener.Addr().String() + "/library/" + name + ":latest"
}

// fetched tells how often the model's manifest and weights were asked for.
func (r *registry) fetched() (manifests, weights int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.manifests, r.begun
}

// A real server fetches the model into a folder of its own; a second pull finds it there, and a run answers with it.
func TestPull(t *testing.T) {
	eachEngine(t, func(t *testing.T, g generation) {
		r := newRegistry(t, g)
		models := filepath.Join(t.TempDir(), "models")
		pull := func(name string) (out, log string, code int) {
			cmd := exec.Command(binary, "pull", "--model", r.model(name), "--ollama", g.ollama, "--ollama-models", models)
			cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+r.authority)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
		}
		if out, log, code := pull("bigram"); code != 0 || !strings.Contains(out, "(5.7 MiB) was fetched into "+models) || !strings.Contains(log, "pull: success") {
			t.Fatalf("exit code %d, %q\n%s", code, out, log)
		}
		if out, log, code := pull("bigram"); code != 0 || !strings.Contains(out, "is already in "+models) {
			t.Errorf("again: exit code %d, %q\n%s", code, out, log)
		}
		if manifests, weights := r.fetched(); manifests != 1 || weights != 1 {
			t.Errorf("the manifest was fetched %d times and the weights %d times, want once", manifests, weights)
		}
		if _, log, code := pull("other"); code != 85 || !strings.Contains(log, "the registry does not have it") {
			t.Errorf("a model that is nowhere: exit code %d, want 85\n%s", code, log)
		}
		j := newJob(t, g, "--model", r.model("bigram"), "--ollama-models", models)
		j.writeRows(20)
		j.run(0)
		j.checkRows(20)
	})
}

// The tasks of an array that share a node and a model folder without the model: one of them pulls it, on a real cluster, and
// none gets in another's way.
func TestArrayPullsOnce(t *testing.T) {
	oneEngine(t, func(t *testing.T, g generation) {
		const tasks, rows = 4, 40
		c := slurm.Start(t, slurm.Options{Nodes: 1})
		r := newRegistry(t, g)
		j := newJob(t, g)
		j.writeRows(rows)
		models := filepath.Join(t.TempDir(), "models")
		script := fmt.Sprintf(`#!/bin/bash
export SSL_CERT_FILE=%s
exec %s run --shard auto --pull missing --model %s --input prompts.jsonl --output results.jsonl \
  --ollama %s --ollama-models %s --device cpu --context 512 --batch-size 2`, r.authority, binary, r.model("bigram"), g.ollama, models)
		id := c.Sbatch(t, j.dir, script, fmt.Sprintf("--array=0-%d", tasks-1), "--cpus-per-task=1")
		states := c.AwaitEnd(t, id)
		for task, state := range states {
			if state != "COMPLETED" {
				out, _ := os.ReadFile(filepath.Join(j.dir, "slurm-"+task+".out"))
				t.Errorf("task %s is %s:\n%s", task, state, out)
			}
		}
		if manifests, weights := r.fetched(); manifests != 1 || weights != 1 {
			t.Errorf("the manifest was fetched %d times and the weights %d times, want once for all tasks", manifests, weights)
		}
		check := c.Command(t, j.dir, binary, "merge", "--input", "prompts.jsonl", "--output", "results.jsonl")
		if out, err := check.CombinedOutput(); err != nil {
			t.Fatalf("merge: %v\n%s", err, out)
		}
		j.checkRows(rows)
	})
}
