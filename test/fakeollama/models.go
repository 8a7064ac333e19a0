package fakeollama

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// modelSize is the size of every model in bytes.
const modelSize = 6_309_312

// pulledFile lists the pulled models in the model folder, for the next server.
const pulledFile = "fakeollama-pulled"

// registry holds the existing models and the loaded model.
type registry struct {
	folder string // OLLAMA_MODELS; empty forgets pulled models
	mu     sync.Mutex
	names  []string // with their tags
	loaded loadedModel
}

// loadedModel is a model in memory. The zero value means none.
type loadedModel struct {
	name     string
	context  int
	spelling string // canonical spelling of its runner options
}

func newRegistry(names []string, folder string) *registry {
	r := &registry{folder: folder}
	for _, name := range names {
		r.add(name)
	}
	return r
}

// refresh reads models that other servers have pulled into the folder: Ollama, too, reads the folder each time.
func (r *registry) refresh() {
	pulled, _ := os.ReadFile(filepath.Join(r.folder, pulledFile)) // usually there is no such file
	for name := range strings.Lines(string(pulled)) {
		r.add(strings.TrimSpace(name))
	}
}

// pull adds a model for this server and later ones.
func (r *registry) pull(name string) error {
	r.add(name)
	if r.folder == "" {
		return nil
	}
	if err := os.MkdirAll(r.folder, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(r.folder, pulledFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(name + "\n")
	return errors.Join(err, f.Close())
}

// tagged adds the default tag to a name without a tag.
func tagged(name string) string {
	if !strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ":") {
		return name + ":latest"
	}
	return name
}

func (r *registry) add(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.names, tagged(name)) {
		r.names = append(r.names, tagged(name))
	}
}

func (r *registry) has(name string) bool {
	r.refresh()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.names, tagged(name))
}

func (r *registry) list() []string {
	r.refresh()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.names)
}

// load makes m the loaded model and reports whether it was not loaded before.
func (r *registry) load(m loadedModel) bool {
	m.name = tagged(m.name)
	r.mu.Lock()
	defer r.mu.Unlock()
	anew := r.loaded != m
	r.loaded = m
	return anew
}

func (r *registry) unload() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loaded = loadedModel{}
}

func (r *registry) current() (loadedModel, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loaded, r.loaded.name != ""
}

// digest returns an invented but constant digest of a model.
func digest(name string) string {
	sum := sha256.Sum256([]byte(tagged(name)))
	return hex.EncodeToString(sum[:])
}
