package ollama

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// HasModel reports whether a model folder has the manifest of a model.
func HasModel(folder, name string) bool { return manifestOf(folder, name) != "" }

// ModelFiles returns the paths of a model's files in a model folder: all blobs that the model's manifest names. An
// os.ErrNotExist means that the folder does not have the model.
func ModelFiles(folder, name string) ([]string, error) {
	path := manifestOf(folder, name)
	if path == "" {
		return nil, &os.PathError{Op: "find model " + name + " in", Path: folder, Err: os.ErrNotExist}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var manifest struct {
		Config layer   `json:"config"`
		Layers []layer `json:"layers"`
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", path, err)
	}
	var files []string
	for _, l := range append(manifest.Layers, manifest.Config) {
		blob := strings.Replace(l.Digest, ":", "-", 1)
		if l.Digest == "" || !filepath.IsLocal(blob) {
			return nil, fmt.Errorf("read manifest %s: %q is no digest", path, l.Digest)
		}
		files = append(files, filepath.Join(folder, "blobs", blob))
	}
	return files, nil
}

// manifestOf returns the path of a model's manifest; "" where the folder has none. Ollama has manifests at
// manifests/registry/namespace/model/tag, and does not distinguish capital letters.
func manifestOf(folder, name string) string {
	full := canonical(name)
	colon := strings.LastIndexByte(full, ':') // an earlier colon is before the port of a registry
	path := filepath.Join(folder, "manifests")
	for part := range strings.SplitSeq(full[:colon]+"/"+full[colon+1:], "/") {
		next := filepath.Join(path, part)
		if _, err := os.Stat(next); err != nil {
			if next = entryLike(path, part); next == "" {
				return ""
			}
		}
		path = next
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return path
}

// entryLike returns the path of the entry of a folder whose name differs in capital letters alone; "" without an entry.
func entryLike(folder, name string) string {
	entries, _ := os.ReadDir(folder) // a missing folder has none
	for _, e := range entries {
		if strings.EqualFold(e.Name(), name) {
			return filepath.Join(folder, e.Name())
		}
	}
	return ""
}
