package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fluxworker/worker/filesystem"
	"fluxworker/worker/ollama"
)

// models checks the folders with the models, and returns the folder of the model that the run would take: the first that has the
// model, else the first that can be read. Of several folders, one that is not there is only a warning.
func (r *report) models(c Config) (chosen string) {
	if !c.Server.StartsOllama() {
		return ""
	}
	for _, path := range c.Models {
		text, remedy := modelFolder(path)
		switch {
		case remedy != "" && len(c.Models) > 1:
			r.warn("models", remedy, "%s", text)
		case remedy != "":
			r.fail("models", remedy, "%s", text)
		default:
			r.ok("models", "%s", text)
			if has := c.Model != "" && ollama.HasModel(path, c.Model); chosen == "" || has && !ollama.HasModel(chosen, c.Model) {
				chosen = path
			}
		}
	}
	if chosen == "" {
		return c.Models[0]
	}
	return chosen
}

// modelFolder describes a folder with models; remedy is "" where a server can read it.
func modelFolder(path string) (text, remedy string) {
	const askOwner = "ask the owner of the folder to let you read it"
	f, err := filesystem.At(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path + " does not exist", "fetch a model with `fluxworker pull --model NAME`, or name the folder with --ollama-models or OLLAMA_MODELS"
	case err != nil:
		return err.Error(), askOwner
	}
	for _, part := range []string{"", "manifests", "blobs"} {
		switch _, err := os.ReadDir(filepath.Join(path, part)); {
		case errors.Is(err, fs.ErrNotExist):
			return path + " has no folder " + part, "fetch a model with `fluxworker pull --model NAME`, or name a folder that Ollama has filled"
		case err != nil:
			return err.Error(), askOwner
		}
	}
	if f.ReadOnly || !writable(path) {
		return fmt.Sprintf("%s: %s, read-only: runs work, pulls do not", path, f.Name), ""
	}
	return fmt.Sprintf("%s: %s", path, described(f)), ""
}
