// Package record holds the records of a run in its run folder: the manifest (model, settings and servers of the results), one
// file for each attempt, and the summary; and the counters behind attempts and summary.
//
// Invariants: only the Recorder changes the manifest; a record is written atomically (a draft and a rename), so that a reader
// never sees a part of it; resuming needs the lines alone, and no record.
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
	"fluxworker/worker/parquet"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// Manifest records the model, the settings and the servers that made the results. A run writes it when the servers are ready
// or their start has failed, and again when a server is restarted with other numbers. A later run into the same output
// compares its own requests with it.
type Manifest struct {
	Version  string    `json:"fluxworker_version"`
	Started  time.Time `json:"started"`
	Host     string    `json:"host"`
	Input    InputFile `json:"input"`
	Requests Requests  `json:"requests"`
	Plan     Plan      `json:"plan"`
	// Contexts holds the choice of the context for each plan; empty where the user named a context.
	Contexts []ContextChoice `json:"context_chosen,omitempty"`
	Server   ollama.Info     `json:"server"` // Ollama and the model
	// Failure is the error of the start; "" where a server answered.
	Failure string `json:"start_error,omitempty"`
}

// Requests is the part of every request that comes from the settings and not from the row. Another value of a field, except
// MaxRowBytes, changes every row's key.
type Requests struct {
	Model    string          `json:"model"`
	Sampling prompt.Sampling `json:"sampling"`
	OpenAI   bool            `json:"openai,omitempty"`        // the server is one of OpenAI's API, and not Ollama
	System   string          `json:"system_sha256,omitempty"` // only the hash: the text may be as private as the prompts
	Schema   string          `json:"json_schema_sha256,omitempty"`
	Object   bool            `json:"json_object,omitempty"`   // the answers are JSON objects of any kind
	Fields   []string        `json:"answer_fields,omitempty"` // of the schema, for tables
	Types    []parquet.Type  `json:"answer_types,omitempty"`  // of the fields
	Examples string          `json:"few_shot_sha256,omitempty"`
	// MaxRowBytes decides which rows have a request: with another limit a row that was too long would get a second line.
	MaxRowBytes int `json:"max_row_bytes"`
	// PromptColumn, PromptTemplate, MessagesColumn and IDColumn are the prompt.Layout, with the hash of the template.
	PromptColumn   string `json:"prompt_column,omitempty"`
	PromptTemplate string `json:"prompt_template_sha256,omitempty"`
	MessagesColumn string `json:"messages_column,omitempty"`
	IDColumn       string `json:"id_column,omitempty"`
}

// InputFile identifies the input of a run.
type InputFile struct {
	Path     string    `json:"path"`
	Files    int64     `json:"files,omitempty"` // of a folder
	Bytes    int64     `json:"bytes,omitempty"`
	Modified time.Time `json:"modified,omitzero"` // UTC
}

// Same reports whether path, size and time of two inputs are equal.
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

// Plan records the servers of a run, as planned and as measured.
type Plan struct {
	Slots    int             `json:"slots"`     // of all serving servers together
	InFlight int             `json:"in_flight"` // the largest number of rows with the servers at once
	Context  int             `json:"context"`   // of a slot, in tokens
	Cache    string          `json:"kv_cache_type,omitempty"`
	Ubatch   int             `json:"ubatch,omitempty"` // prompt tokens at once; 0 where the server decides
	Device   ollama.Device   `json:"device,omitempty"`
	Threads  int             `json:"num_thread,omitempty"` // of each server; 0 where the engine decides
	Command  []string        `json:"command,omitempty"`
	GGUF     string          `json:"gguf,omitempty"` // the model's file, where it is outside of the model folder
	URL      string          `json:"url,omitempty"`  // of a server that runs already
	Servers  []PlannedServer `json:"servers"`
}

// PlannedServer records one server of a Plan.
type PlannedServer struct {
	GPUs          []string         `json:"gpus,omitempty"`     // UUIDs
	GPU           string           `json:"gpu_name,omitempty"` // the kind of the first GPU
	Slots         int              `json:"slots"`
	PlannedSlots  int              `json:"planned_slots,omitempty"`   // where the GPUs did not hold as many as planned
	Context       int              `json:"context"`                   // of a slot, in tokens
	Terms         []batcher.Term   `json:"predicted,omitempty"`       // bytes on each GPU
	Bytes         int64            `json:"predicted_bytes,omitempty"` // the sum of Terms
	MeasuredBytes []int64          `json:"measured_bytes,omitempty"`  // growth of each GPU's used memory
	Loaded        ollama.Footprint `json:"loaded"`                    // by the server's own account
	Layers        *ollama.Layers   `json:"layers,omitempty"`
	Isolated      bool             `json:"isolated"` // in namespaces of its own
	// LeftOut is the reason why the run excludes the server; "" where it serves.
	LeftOut string `json:"left_out,omitempty"`
}

// InputOf returns the InputFile of an input with this fingerprint.
func InputOf(path string, p prompt.Fingerprint) InputFile {
	return InputFile{Path: path, Files: p.Files, Bytes: p.Bytes, Modified: p.Modified.UTC()}
}

// RequestsOf returns the part of every request that comes from the settings. The layout comes from the reader, which
// completes the user's layout.
func RequestsOf(d prompt.Defaults, layout prompt.Layout, maxRowBytes int) Requests {
	r := Requests{
		Model: d.Model, OpenAI: d.OwnBodies, System: hashed(d.System), Sampling: d.Sampling, MaxRowBytes: maxRowBytes,
		PromptColumn: layout.PromptColumn, PromptTemplate: hashed(layout.PromptTemplate), MessagesColumn: layout.MessagesColumn, IDColumn: layout.IDColumn,
	}
	if d.Structure != nil {
		for _, field := range d.Structure.Fields() {
			r.Fields, r.Types = append(r.Fields, field.Name), append(r.Types, field.Type)
		}
		r.Schema, r.Object = hashed(string(d.Structure.Schema)), d.Structure.Schema == nil
	}
	if len(d.Examples) > 0 {
		r.Examples = hashed(plain(d.Examples))
	}
	return r
}

// NewManifest makes the manifest of a run that begins.
func NewManifest(version string, started time.Time, input InputFile, requests Requests) Manifest {
	m := Manifest{Version: version, Started: started.UTC(), Input: input, Requests: requests}
	m.Host, _ = os.Hostname() // informative
	return m
}

// hashed returns the SHA-256 of a text in hexadecimal digits; "" for "".
func hashed(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// ReadManifest reads the manifest of an earlier run; nil without one. Error: result.RecordError.
func ReadManifest(paths result.Paths) (*Manifest, error) {
	before := new(Manifest)
	err := paths.ReadJSON(manifestFile, before)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return before, nil
}

// TakeManifest is ReadManifest for the holder of the output. It renames a damaged manifest and returns nil and the new path of
// the file, aside. Errors: result.RecordError, result.WriteError.
func TakeManifest(paths result.Paths) (before *Manifest, aside string, _ error) {
	before, err := ReadManifest(paths)
	if damaged, ok := errors.AsType[*result.RecordError](err); ok && damaged.Damaged {
		aside, err = paths.SetAside(manifestFile)
	}
	return before, aside, err
}

// OtherModel returns an error if the digest of the model differs from that of the manifest. A nil manifest, or an unknown
// digest, gives no error.
func (m *Manifest) OtherModel(info ollama.Info) error {
	if m == nil || m.Server.Digest == "" || info.Digest == "" || m.Server.Digest == info.Digest {
		return nil
	}
	return fmt.Errorf("model %s was %.12s when the lines of the output were made, and is %.12s now", m.Requests.Model, m.Server.Digest, info.Digest)
}

// Differences returns a text for each setting of now that differs.
func (q Requests) Differences(now Requests) []string {
	var list []string
	add := func(name string, was, is any) {
		if !reflect.DeepEqual(was, is) {
			list = append(list, fmt.Sprintf("%s was %s, is %s", name, plain(was), plain(is)))
		}
	}
	add("model", q.Model, now.Model)
	add("OpenAI's API", q.OpenAI, now.OpenAI)
	add("system prompt", q.System, now.System)
	add("JSON schema", q.Schema, now.Schema)
	add("json-object", q.Object, now.Object)
	add("few-shot examples", q.Examples, now.Examples)
	add("max-row-bytes", q.MaxRowBytes, now.MaxRowBytes)
	add("prompt column", q.PromptColumn, now.PromptColumn)
	add("prompt template", q.PromptTemplate, now.PromptTemplate)
	add("messages column", q.MessagesColumn, now.MessagesColumn)
	add("id column", q.IDColumn, now.IDColumn)
	was, is := reflect.ValueOf(q.Sampling), reflect.ValueOf(now.Sampling)
	for i := range was.NumField() {
		name, _, _ := strings.Cut(was.Type().Field(i).Tag.Get("json"), ",")
		add(name, option(was.Field(i)), option(is.Field(i)))
	}
	return list
}

// option returns the value of a sampling option for a message.
func option(v reflect.Value) any {
	if v.CanInt() && v.Int() == prompt.Unset || v.CanFloat() && v.Float() == prompt.Unset {
		return json.RawMessage(`"as the server decides"`)
	}
	return v.Interface()
}

// plain returns the JSON of a setting, with the value behind the pointer of an optional setting.
func plain(v any) string {
	data, _ := json.Marshal(v) // cannot fail for strings, numbers and lists
	return string(data)
}
