package record

import (
	"sync"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/result"
)

// Recorder owns the manifest of a run. Its methods may be called from any goroutine.
type Recorder struct {
	paths result.Paths

	mu       sync.Mutex
	manifest Manifest
}

// NewRecorder makes the recorder of a run that begins with this manifest.
func NewRecorder(paths result.Paths, m Manifest) *Recorder {
	return &Recorder{paths: paths, manifest: m}
}

// Model records what Ollama says of the model.
func (r *Recorder) Model(info ollama.Info) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifest.Server = info
}

// ContextChosen records how the context of the next plan was chosen.
func (r *Recorder) ContextChosen(c ContextChoice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifest.Contexts = append(r.manifest.Contexts, c)
}

// Planned records a plan, in place of the one before.
func (r *Recorder) Planned(p Plan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifest.Plan = p
}

// Server records the state of a server of the plan, and reports whether it serves with other numbers than before.
func (r *Recorder) Server(number int, s PlannedServer) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.manifest.Plan.Servers[number]
	r.manifest.Plan.Servers[number] = s
	return s.Slots != before.Slots || s.Context != before.Context || s.LeftOut != before.LeftOut
}

// StartFailed records why no server answers; "" takes that back.
func (r *Recorder) StartFailed(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifest.Failure = reason
}

// Write writes the manifest as it is now. Errors: result.WriteError.
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
