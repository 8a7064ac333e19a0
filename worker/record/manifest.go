// Package record holds what a run records in its run folder beside its lines: the manifest (what made the results), one file for
// each attempt, the summary, and the counters that both are made of.
//
// Invariants: the manifest is changed through its Recorder alone; a record is written in one step (a draft and a rename), so
// that a reader sees the whole of it; nothing in a record is needed to resume, which goes by the lines.
package record

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"time"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// Manifest says what made the results. It is written when the servers are ready or their start has failed, and again when a
// server is started anew with other numbers; a later run into the same output compares its own requests with it.
type Manifest struct {
	Version  string    `json:"fluxworker_version"`
	Started  time.Time `json:"started"`
	Host     string    `json:"host"`
	Input    InputFile `json:"input"`
	Requests Requests  `json:"requests"`
	Plan     Plan      `json:"plan"`
	// Contexts says how the context was chosen, for each plan of servers; empty where the user named a context.
	Contexts []ContextChoice `json:"context_chosen,omitempty"`
	Server   ollama.Info     `json:"server"`
	// Failure is why no server answered; empty where one did.
	Failure string `json:"start_error,omitempty"`
}

// Requests is the part of every request that comes from the settings and not from the row. A difference here changes every
// row's key.
type Requests struct {
	Model    string          `json:"model"`
	Sampling prompt.Sampling `json:"sampling"`
	System   string          `json:"system_sha256,omitempty"` // only the hash: it may be as private as the prompts
	// MaxRowBytes decides which rows have a request: one that was too long would get a second line.
	MaxRowBytes int `json:"max_row_bytes"`
	// PromptColumn, PromptTemplate and IDColumn are the Layout, of the template only the hash.
	PromptColumn   string `json:"prompt_column,omitempty"`
	PromptTemplate string `json:"prompt_template_sha256,omitempty"`
	IDColumn       string `json:"id_column,omitempty"`
}

// InputFile says which input the rows come from.
type InputFile struct {
	Path     string    `json:"path"`
	Files    int64     `json:"files,omitempty"` // of a folder
	Bytes    int64     `json:"bytes,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
}

// Same reports whether a file looks untouched.
func (f InputFile) Same(other InputFile) bool {
	return f.Path == other.Path && f.Files == other.Files && f.Bytes == other.Bytes && f.Modified.Equal(other.Modified)
}

// Size returns the size of the input for a message.
func (f InputFile) Size() string {
	if f.Files > 0 {
		return fmt.Sprintf("%d files with %d bytes", f.Files, f.Bytes)
	}
	return fmt.Sprintf("%d bytes", f.Bytes)
}

// Plan says how the model is served: as planned and as measured.
type Plan struct {
	Slots    int             `json:"slots"`     // of all servers together
	InFlight int             `json:"in_flight"` // rows with the servers at once
	Context  int             `json:"context"`
	Cache    string          `json:"kv_cache_type,omitempty"`
	Device   ollama.Device   `json:"device,omitempty"`
	Threads  int             `json:"num_thread,omitempty"` // of each server, where it was told
	Command  []string        `json:"command,omitempty"`
	GGUF     string          `json:"gguf,omitempty"` // the model's file, where it is in no model folder
	URL      string          `json:"url,omitempty"`
	Servers  []PlannedServer `json:"servers"`
}

// PlannedServer is one server of a Plan.
type PlannedServer struct {
	GPUs          []string         `json:"gpus,omitempty"` // UUIDs
	Slots         int              `json:"slots"`
	Context       int              `json:"context"`
	Terms         []batcher.Term   `json:"predicted,omitempty"`       // bytes on each GPU
	Bytes         int64            `json:"predicted_bytes,omitempty"` // their sum
	MeasuredBytes []int64          `json:"measured_bytes,omitempty"`  // by which each GPU's used memory grew
	Loaded        ollama.Footprint `json:"loaded"`                    // what the server itself accounts for
	Layers        *ollama.Layers   `json:"layers,omitempty"`
	Isolated      bool             `json:"isolated"` // in namespaces of its own
	// LeftOut is why the run goes on without the server; empty where it serves.
	LeftOut string `json:"left_out,omitempty"`
}

// InputOf returns the InputFile of an input that was found with this fingerprint.
func InputOf(path string, p prompt.Fingerprint) InputFile {
	return InputFile{Path: path, Files: p.Files, Bytes: p.Bytes, Modified: p.Modified.UTC()}
}

// RequestsOf returns the part of every request that comes from the settings. The layout is the one that the reader found.
func RequestsOf(d prompt.Defaults, layout prompt.Layout, maxRowBytes int) Requests {
	return Requests{
		Model: d.Model, System: hashed(d.System), Sampling: d.Sampling, MaxRowBytes: maxRowBytes,
		PromptColumn: layout.PromptColumn, PromptTemplate: hashed(layout.PromptTemplate), IDColumn: layout.IDColumn,
	}
}

// NewManifest begins the manifest of a run.
func NewManifest(version string, started time.Time, input InputFile, requests Requests) Manifest {
	m := Manifest{Version: version, Started: started.UTC(), Input: input, Requests: requests}
	m.Host, _ = os.Hostname() // informative
	return m
}

// hashed returns the SHA-256 of a text in hexadecimal digits; empty for no text.
func hashed(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// ReadManifest reads the manifest of an earlier run; nil where there was no run.
func ReadManifest(paths result.Paths) (*Manifest, error) {
	data, err := os.ReadFile(paths.In(manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	before := new(Manifest)
	if err := json.Unmarshal(data, before); err != nil {
		return nil, fmt.Errorf("read %s: %w; it is informative, remove it to go on", paths.In(manifestFile), err)
	}
	return before, nil
}

// OtherModel returns an error where the model has other files than those of the manifest under the same name. A nil manifest has
// no model.
func (m *Manifest) OtherModel(info ollama.Info) error {
	if m == nil || m.Server.Digest == "" || info.Digest == "" || m.Server.Digest == info.Digest {
		return nil
	}
	return fmt.Errorf("model %s was %.12s when the lines of the output were made, and is %.12s now", m.Requests.Model, m.Server.Digest, info.Digest)
}

// Differences names each setting that is not as before.
func (q Requests) Differences(now Requests) []string {
	var list []string
	add := func(name string, was, is any) {
		if !reflect.DeepEqual(was, is) {
			list = append(list, fmt.Sprintf("%s was %s, is %s", name, plain(was), plain(is)))
		}
	}
	add("model", q.Model, now.Model)
	add("system prompt", q.System, now.System)
	add("max-row-bytes", q.MaxRowBytes, now.MaxRowBytes)
	add("prompt column", q.PromptColumn, now.PromptColumn)
	add("prompt template", q.PromptTemplate, now.PromptTemplate)
	add("id column", q.IDColumn, now.IDColumn)
	was, is := reflect.ValueOf(q.Sampling), reflect.ValueOf(now.Sampling)
	for i := range was.NumField() {
		name, _, _ := strings.Cut(was.Type().Field(i).Tag.Get("json"), ",")
		add(name, was.Field(i).Interface(), is.Field(i).Interface())
	}
	return list
}

// plain renders a setting; JSON reads through the pointer of an optional one.
func plain(v any) string {
	data, _ := json.Marshal(v) // strings, numbers and lists of them cannot fail
	return string(data)
}
