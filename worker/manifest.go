package worker

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

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// manifest says what made the results. It is written when the server is ready; a later run into the same output compares
// what would make its requests with it.
type manifest struct {
	Version  string      `json:"fluxworker_version"`
	Started  time.Time   `json:"started"`
	Host     string      `json:"host"`
	Input    inputFile   `json:"input"`
	Requests requests    `json:"requests"`
	Plan     plan        `json:"plan"`
	Server   ollama.Info `json:"server"`
}

// requests is the part of a request that does not come from its row. A difference here changes every row's key.
type requests struct {
	Model    string          `json:"model"`
	Sampling prompt.Sampling `json:"sampling"`
	System   string          `json:"system_sha256,omitempty"` // only the hash: it may be as private as the prompts
}

type inputFile struct {
	Path     string    `json:"path"`
	Bytes    int64     `json:"bytes,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
}

type plan struct {
	Slots    int           `json:"slots"`
	InFlight int           `json:"in_flight"`
	Context  int           `json:"context"`
	Device   ollama.Device `json:"device,omitempty"`
	Command  []string      `json:"command,omitempty"`
	URL      string        `json:"url,omitempty"`
}

func (r *run) manifest(started time.Time) manifest {
	m := manifest{
		Version:  r.Version,
		Started:  started.UTC(),
		Input:    inputFile{Path: r.Input},
		Requests: requests{Model: r.Defaults.Model, Sampling: r.Defaults.Sampling},
		Plan:     plan{Slots: r.Slots, InFlight: inFlight(r.Slots), Context: r.Context, URL: r.Server.URL},
	}
	m.Host, _ = os.Hostname() // informative
	if r.Server.URL == "" {
		m.Plan.Device, m.Plan.Command = r.Server.Device, r.Server.Command
	}
	if r.Defaults.System != "" {
		sum := sha256.Sum256([]byte(r.Defaults.System))
		m.Requests.System = hex.EncodeToString(sum[:])
	}
	if info, err := os.Stat(r.Input); err == nil {
		m.Input.Bytes, m.Input.Modified = info.Size(), info.ModTime().UTC()
	}
	return m
}

// check compares the manifest with the one that an earlier run left, if any: with other requests every row would be
// answered a second time, into the same file.
func (m manifest) check(paths result.Paths) error {
	data, err := os.ReadFile(paths.In("manifest.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	var before manifest
	if err := json.Unmarshal(data, &before); err != nil {
		return fmt.Errorf("read %s: %w; it is informative, remove it to go on", paths.In("manifest.json"), err)
	}
	differences := before.Requests.differences(m.Requests)
	if len(differences) == 0 {
		return nil
	}
	return &ConfigError{Err: fmt.Errorf("output %s was made with other settings (%s); use the same, or choose another --output",
		paths.Results, strings.Join(differences, ", "))}
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
