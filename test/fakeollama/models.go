package fakeollama

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
)

// modelSize is what every model claims to need.
const modelSize = 6_309_312

// registry is the models that are there and the one that is loaded.
type registry struct {
	mu     sync.Mutex
	names  []string // with their tags
	loaded loadedModel
}

// loadedModel is a model in memory. Its zero value is none.
type loadedModel struct {
	name     string
	context  int
	spelling string // of its runner options
}

func newRegistry(names []string) *registry {
	r := &registry{}
	for _, name := range names {
		r.add(name)
	}
	return r
}

// tagged gives a name without a tag the one that it means.
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
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.names, tagged(name))
}

func (r *registry) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.names)
}

// load makes m the loaded model and tells whether that took a load.
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

// digest is a model's made-up but constant digest.
func digest(name string) string {
	sum := sha256.Sum256([]byte(tagged(name)))
	return hex.EncodeToString(sum[:])
}
