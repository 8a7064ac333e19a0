package ollama

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/ollama/ollama/format"
	"github.com/ollama/ollama/types/model"
)

// layer is an entry of a model's manifest.
type layer struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// folder is a model folder in Ollama's layout, while layOut writes it: manifests by name, blobs by digest.
type folder struct {
	dir    string
	layers []layer
}

// layOut makes dir a model folder with this model only. It links the files and copies none.
func (f *File) layOut(dir string) error {
	manifest := filepath.Join(dir, "manifests", model.ParseName(f.Name).Filepath())
	for _, d := range []string{filepath.Join(dir, "blobs"), filepath.Dir(manifest)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	to := &folder{dir: dir}
	families := []string{f.model.Architecture()}
	if err := f.link(to, "model", f.Path); err != nil {
		return err
	}
	if f.Projector != "" {
		families = append(families, f.projector.Architecture())
		if err := f.link(to, "projector", f.Projector); err != nil {
			return err
		}
	}
	if f.template != "" {
		if err := to.add("template", []byte(f.template)); err != nil {
			return err
		}
	}
	if len(f.stop) > 0 {
		parameters, err := json.Marshal(map[string][]string{"stop": f.stop})
		if err != nil {
			return err
		}
		if err := to.add("params", parameters); err != nil {
			return err
		}
	}
	return to.finish(manifest, map[string]any{
		"model_format":   "gguf",
		"model_family":   families[0],
		"model_families": families,
		"model_type":     format.HumanNumber(f.model.ParameterCount()),
		"file_type":      f.model.FileType().String(),
	})
}

// link makes a file a blob without reading the file completely. The name of the blob is the sample digest; Ollama does
// not compare the name with the contents. A file that was replaced after OpenFile is an error: the output would mix
// answers of two models.
func (f *File) link(to *folder, kind, path string) error {
	digest, err := sampleDigest(path)
	if err != nil {
		return err
	}
	if digest != f.digests[path] {
		return fmt.Errorf("%s was replaced after the run began", path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	blob := filepath.Join(to.dir, "blobs", "sha256-"+digest)
	// Prefer a hard link: it works wherever the scratch folder is visible, for example in a container. It needs the
	// same file system, and some kernels forbid hard links to files of another user.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if os.Link(real, blob) != nil {
		if err := os.Symlink(real, blob); err != nil {
			return fmt.Errorf("link %s into the server's model folder: %w", path, err)
		}
	}
	to.addLayer(kind, digest, info.Size())
	return nil
}

// add writes a small blob and adds its layer.
func (to *folder) add(kind string, data []byte) error {
	digest := hashOf(data)
	to.addLayer(kind, digest, int64(len(data)))
	return os.WriteFile(filepath.Join(to.dir, "blobs", "sha256-"+digest), data, 0o600)
}

func (to *folder) addLayer(kind, digest string, size int64) {
	to.layers = append(to.layers, layer{"application/vnd.ollama.image." + kind, "sha256:" + digest, size})
}

// finish writes the model's configuration and manifest.
func (to *folder) finish(path string, config map[string]any) error {
	digests := make([]string, len(to.layers))
	for i, l := range to.layers {
		digests[i] = l.Digest
	}
	config["architecture"], config["os"] = runtime.GOARCH, runtime.GOOS
	config["rootfs"] = map[string]any{"type": "layers", "diff_ids": digests}
	data, err := json.Marshal(config)
	if err != nil {
		return err
	}
	layers := to.layers
	if err := to.add("config", data); err != nil {
		return err
	}
	own := to.layers[len(to.layers)-1]
	own.MediaType = "application/vnd.docker.container.image.v1+json"
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2,
		"mediaType":     "application/vnd.docker.distribution.manifest.v2+json",
		"config":        own,
		"layers":        layers,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(path, manifest, 0o600)
}
