package ollama

import (
	"os"
	"path/filepath"
	"strings"
)

// HasModel reports whether a model folder has the manifest of a model. Ollama has manifests at
// manifests/registry/namespace/model/tag, and does not distinguish capital letters.
func HasModel(folder, name string) bool {
	full := canonical(name)
	colon := strings.LastIndexByte(full, ':') // an earlier colon is before the port of a registry
	path := filepath.Join(folder, "manifests")
	for part := range strings.SplitSeq(full[:colon]+"/"+full[colon+1:], "/") {
		next := filepath.Join(path, part)
		if _, err := os.Stat(next); err != nil {
			if next = entryLike(path, part); next == "" {
				return false
			}
		}
		path = next
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
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
