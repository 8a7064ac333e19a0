package fakeollama

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"time"
)

// routes returns the handler of all requests.
func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("Ollama is running")) })
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]string{"version": s.version})
	})
	mux.HandleFunc("GET /api/tags", s.tags)
	mux.HandleFunc("GET /api/ps", s.ps)
	mux.HandleFunc("POST /api/show", s.show)
	mux.HandleFunc("POST /api/generate", s.generate)
	mux.HandleFunc("POST /api/chat", s.chat)
	mux.HandleFunc("POST /api/embed", s.embed)
	mux.HandleFunc("POST /api/pull", s.pull)
	if s.lean {
		return newLean(s, mux)
	}
	return s.logged(mux)
}

// details returns the details of every model, which are those of the bigram model.
func (s *server) details() map[string]any {
	return map[string]any{
		"parent_model": "", "format": "gguf", "family": s.family, "families": []string{s.family},
		"parameter_size": "1.6M", "quantization_level": "F32",
	}
}

func (s *server) tags(w http.ResponseWriter, _ *http.Request) {
	models := []any{}
	for _, name := range s.models.list() {
		models = append(models, map[string]any{
			"name": name, "model": name, "modified_at": s.started, "size": modelSize, "digest": digest(name), "details": s.details(),
		})
	}
	reply(w, map[string]any{"models": models})
}

func (s *server) ps(w http.ResponseWriter, _ *http.Request) {
	models := []any{}
	if m, ok := s.models.current(); ok {
		inVRAM := 0
		switch {
		case s.gpu && s.fits() && !s.script.slowed():
			inVRAM = modelSize
		case s.gpu:
			inVRAM = modelSize / 2
		}
		models = append(models, map[string]any{
			"name": m.name, "model": m.name, "size": modelSize, "size_vram": inVRAM, "digest": digest(m.name),
			"details": s.details(), "context_length": m.context,
			"expires_at": s.started.Add(math.MaxInt64), // Ollama's value for keep_alive -1
		})
	}
	reply(w, map[string]any{"models": models})
}

func (s *server) show(w http.ResponseWriter, r *http.Request) {
	name, ok := s.model(w, r)
	if !ok {
		return
	}
	if !s.models.has(name) {
		refuse(w, http.StatusNotFound, missing(name))
		return
	}
	capabilities := []string{"completion"}
	if s.embeds {
		capabilities[0] = "embedding"
	}
	if s.vision {
		capabilities = append(capabilities, "vision")
	}
	parameters := "temperature                    0"
	if s.threads > 0 {
		parameters += fmt.Sprintf("\nnum_thread                     %d", s.threads)
	}
	reply(w, map[string]any{
		"modelfile": "FROM " + name, "parameters": parameters, "template": "{{ .Prompt }}", "details": s.details(), "modified_at": s.started,
		"capabilities": capabilities,
		"model_info":   s.metadata(),
	})
}

// metadata returns the keys of the model's GGUF, with the prefix of the family.
func (s *server) metadata() map[string]any {
	info := map[string]any{
		"general.architecture": s.family, "general.file_type": 0, "general.name": "bigram", "general.parameter_count": 1_576_000,
	}
	for key, value := range map[string]any{
		"attention.head_count":             9,
		"attention.head_count_kv":          3,
		"attention.key_length":             32,
		"attention.layer_norm_rms_epsilon": 1e-5,
		"attention.value_length":           32,
		"block_count":                      2,
		"context_length":                   8192,
		"embedding_length":                 288,
		"feed_forward_length":              512,
		"rope.dimension_count":             32,
		"vocab_size":                       288,
	} {
		info[s.family+"."+key] = value
	}
	return info
}

// generate answers /api/generate: with a prompt it continues the prompt, without one it loads or unloads a model.
func (s *server) generate(w http.ResponseWriter, r *http.Request) {
	req, body, err := readRequest(r)
	if body == nil {
		return
	}
	var options sampling
	if err == nil {
		options, err = req.sampling(s.context)
	}
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, err.Error())
		return
	case !s.models.has(req.Model):
		refuse(w, http.StatusNotFound, missing(req.Model))
		return
	case s.embeds:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("%q does not support generate", req.Model))
		return
	case req.Prompt != "":
		req.Messages = append(req.Messages, turn{Role: "user", Content: req.Prompt})
		s.converse(w, r, req, body, nil)
		return
	}
	reason := "load"
	switch string(req.KeepAlive) {
	case "0", `"0"`, `"0s"`:
		reason = "unload"
		s.models.unload()
	default:
		s.load(req, options.context)
	}
	nothing := ""
	reply(w, chatResponse{Model: req.Model, CreatedAt: time.Now().UTC(), Response: &nothing, Done: true, DoneReason: reason})
}

// pull sends the steps of a pull and adds the model. An error also comes inside HTTP 200.
func (s *server) pull(w http.ResponseWriter, r *http.Request) {
	name, ok := s.model(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	tell := func(line map[string]any) {
		w.Write(append(asJSON(line), '\n'))
		http.NewResponseController(w).Flush()
	}
	s.recorder.change(func(r *Record) { r.Pulls++ })
	tell(map[string]any{"status": "pulling manifest"})
	if s.pullError != "" {
		tell(map[string]any{"error": s.pullError})
		return
	}
	for i, size := range s.pullLayers {
		layer := digest(fmt.Sprint(name, i))
		for quarter := range int64(5) {
			line := map[string]any{"status": "pulling " + layer[:12], "digest": "sha256:" + layer, "total": size}
			if quarter > 0 {
				line["completed"] = size / 4 * quarter
			}
			tell(line)
			select {
			case <-time.After(s.pullStep):
			case <-r.Context().Done():
				return // Ollama, too, stops a pull when the client goes away
			}
		}
	}
	tell(map[string]any{"status": "verifying sha256 digest"})
	tell(map[string]any{"status": "writing manifest"})
	if err := s.models.pull(name); err != nil {
		tell(map[string]any{"error": err.Error()})
		return
	}
	tell(map[string]any{"status": "success"})
}

// model returns the model name in a request about a model. It rejects a request without a name.
func (s *server) model(w http.ResponseWriter, r *http.Request) (string, bool) {
	var req struct {
		Model string `json:"model"`
		Name  string `json:"name"` // the older spelling
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&req)
	if req.Model == "" {
		req.Model = req.Name
	}
	if err != nil || req.Model == "" {
		refuse(w, http.StatusBadRequest, "model is required")
		return "", false
	}
	return req.Model, true
}

// logged adds the log line that Ollama prints for each request.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		s.log.request(seen.status, time.Since(began), r.Method, r.URL.Path)
	})
}

// statusWriter stores the status code.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader stores the code and passes it on.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap allows http.ResponseController to flush and hijack.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
