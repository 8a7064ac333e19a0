package worker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// manifest says what made the results. It is written when the servers are ready or did not become so, and again when one
// is started anew in another way; a later run into the same output compares what would make its requests with it.
type manifest struct {
	Version  string    `json:"fluxworker_version"`
	Started  time.Time `json:"started"`
	Host     string    `json:"host"`
	Input    inputFile `json:"input"`
	Requests requests  `json:"requests"`
	Plan     plan      `json:"plan"`
	// Fitting is how the context was chosen, for each time that servers were planned; empty where the user named one.
	Fitting []Fitting   `json:"context_chosen,omitempty"`
	Server  ollama.Info `json:"server"`
	// Failure is why no server answered; empty where one did.
	Failure string `json:"start_error,omitempty"`
}

// requests is the part of a request that does not come from its row. A difference here changes every row's key.
type requests struct {
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

type inputFile struct {
	Path     string    `json:"path"`
	Files    int64     `json:"files,omitempty"` // of a folder
	Bytes    int64     `json:"bytes,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
}

// same tells whether a file looks untouched.
func (f inputFile) same(other inputFile) bool {
	return f.Path == other.Path && f.Files == other.Files && f.Bytes == other.Bytes && f.Modified.Equal(other.Modified)
}

// size is how large it is, for a message.
func (f inputFile) size() string {
	if f.Files > 0 {
		return fmt.Sprintf("%d files with %d bytes", f.Files, f.Bytes)
	}
	return fmt.Sprintf("%d bytes", f.Bytes)
}

// plan is how the model is served: as planned, as measured, and as it came to be.
type plan struct {
	Slots    int             `json:"slots"`     // of all servers together
	InFlight int             `json:"in_flight"` // rows with the servers at once
	Context  int             `json:"context"`
	Cache    string          `json:"kv_cache_type,omitempty"`
	Device   ollama.Device   `json:"device,omitempty"`
	Threads  int             `json:"num_thread,omitempty"` // of each server, where it was told
	Command  []string        `json:"command,omitempty"`
	GGUF     string          `json:"gguf,omitempty"` // the model's file, where it is in no model folder
	URL      string          `json:"url,omitempty"`
	Servers  []plannedServer `json:"servers"`
}

type plannedServer struct {
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

// inputFile is the input as it was found.
func (c Config) inputFile(p prompt.Fingerprint) inputFile {
	return inputFile{Path: c.Input, Files: p.Files, Bytes: p.Bytes, Modified: p.Modified.UTC()}
}

func (c Config) manifest(started time.Time, in input) manifest {
	layout := in.rows.Layout()
	m := manifest{
		Version: c.Version,
		Started: started.UTC(),
		Input:   c.inputFile(in.print),
		Requests: requests{
			Model: c.Defaults.Model, System: hashed(c.Defaults.System), Sampling: c.Defaults.Sampling, MaxRowBytes: c.MaxRowBytes,
			PromptColumn: layout.PromptColumn, PromptTemplate: hashed(layout.PromptTemplate), IDColumn: layout.IDColumn,
		},
	}
	m.Host, _ = os.Hostname() // informative
	return m
}

// hashed is what the manifest tells of a text; empty for none.
func hashed(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// readManifest reads what an earlier run left; nil where there was none.
func readManifest(paths result.Paths) (*manifest, error) {
	data, err := os.ReadFile(paths.In("manifest.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	before := new(manifest)
	if err := json.Unmarshal(data, before); err != nil {
		return nil, fmt.Errorf("read %s: %w; it is informative, remove it to go on", paths.In("manifest.json"), err)
	}
	return before, nil
}

// otherModel is an error where the model's files are not those of the manifest any more, although the name is the same.
func (m *manifest) otherModel(info ollama.Info) error {
	if m == nil || m.Server.Digest == "" || info.Digest == "" || m.Server.Digest == info.Digest {
		return nil
	}
	return fmt.Errorf("model %s was %.12s when the lines of the output were made, and is %.12s now", m.Requests.Model, m.Server.Digest, info.Digest)
}

// differences names each setting that is not as before.
func (q requests) differences(now requests) []string {
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

// list joins differences for a message.
func list(differences []string) string { return strings.Join(differences, ", ") }

// plain renders a setting; JSON reads through the pointer of an optional one.
func plain(v any) string {
	data, _ := json.Marshal(v) // strings, numbers and lists of them cannot fail
	return string(data)
}

// redacted leaves user and password out of an address: a token may be either.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "(no address)"
	}
	u.User = nil
	return u.String()
}
