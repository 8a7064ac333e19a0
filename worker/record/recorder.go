package record

import (
	"sync"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/result"
)

// Recorder owns the manifest of a run. Its methods are safe for concurrent use.
type Recorder struct {
	paths result.Paths

	mu       sync.Mutex
	manifest Manifest
}

// NewRecorder makes a recorder of a manifest.
func NewRecorder(paths result.Paths, m Manifest) *Recorder {
	return &Recorder{paths: paths, manifest: m}
}

// Model records Ollama's description of the model.
func (r *Recorder) Model(info ollama.Info) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifest.Server = info
}

// ContextChosen records the choice of the context of the next plan.
func (r *Recorder) ContextChosen(c ContextChoice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifest.Contexts = append(r.manifest.Contexts, c)
}

// Planned records a plan, which replaces the plan before.
func (r *Recorder) Planned(p Plan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifest.Plan = p
}

// Server records a server of the plan, by its number from 0. It reports whether slots, context or LeftOut have changed.
func (r *Recorder) Server(number int, s PlannedServer) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.manifest.Plan.Servers[number]
	r.manifest.Plan.Servers[number] = s
	return s.Slots != before.Slots || s.Context != before.Context || s.LeftOut != before.LeftOut
}

// StartFailed records the error of the start; "" removes it.
func (r *Recorder) StartFailed(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifest.Failure = reason
}

// Write writes the manifest. Errors: result.WriteError.
func (r *Recorder) Write() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.manifest.Plan
	p.Slots, p.InFlight = 0, 0
	for _, s := range p.Servers {
		if s.LeftOut == "" {
			p.Slots += s.Slots
			p.InFlight += batcher.InFlight(s.Slots)
		}
	}
	return r.paths.WriteJSON(manifestFile, r.manifest)
}
