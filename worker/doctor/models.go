package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// models checks the folder with the models.
func (r *report) models(c Config) {
	const check = "models"
	path := c.Server.Models
	if c.Server.URL != "" || path == "" {
		return
	}
	f, err := folderAt(path)
	if errors.Is(err, fs.ErrNotExist) {
		r.fail(check, "fetch a model with `fluxworker pull --model NAME`, or name the folder with --ollama-models or OLLAMA_MODELS", "%s does not exist", path)
		return
	}
	if err != nil {
		r.fail(check, "ask the owner of the folder to let you read it", "%v", err)
		return
	}
	for _, part := range []string{path, filepath.Join(path, "manifests"), filepath.Join(path, "blobs")} {
		switch _, err := os.ReadDir(part); {
		case errors.Is(err, fs.ErrNotExist):
			r.fail(check, "fetch a model with `fluxworker pull --model NAME`, or name a folder that Ollama has filled", "%s has no folder %s", path, filepath.Base(part))
			return
		case err != nil:
			r.fail(check, "ask the owner of the folder to let you read it", "%v", err)
			return
		}
	}
	switch {
	case f.readOnly || !writable(path):
		r.ok(check, "%s: %s, read-only: runs work, pulls do not", path, f.fileSystem)
	default:
		r.ok(check, "%s: %s", path, f)
	}
}
