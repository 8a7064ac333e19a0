package ollama

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ollama/ollama/fs/gguf"
	"github.com/ollama/ollama/types/model"
)

// File is a model in a GGUF file. Each server gets its own model folder in its scratch folder, with a link to the file,
// and uses no other folder.
type File struct {
	Path      string // absolute path
	Projector string // absolute path of the GGUF file that encodes images; empty without a projector
	Name      string // model name in requests: an Ollama tag
	// Digest identifies the file and its projector, as 64 hexadecimal digits. See sampleDigest.
	Digest string

	model, projector *gguf.Metadata
	digests          map[string]string // sample digest of each file, by path
	template         string            // Go template in Ollama's form; empty leaves the template to the server
	stop             []string          // stop sequences in addition to the file's own
}

// FileError is a GGUF file that cannot be used, and the reason.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("read model %s: %v", e.Path, e.Err) }
func (e *FileError) Unwrap() error { return e.Err }

// OpenFile reads the headers of a model and of its projector; projector may be empty. Name is the model name in
// requests; if it is empty, OpenFile makes it from the file name. The error is a *FileError.
func OpenFile(path, projector, name string) (*File, error) {
	f := &File{Name: name, digests: make(map[string]string)}
	var err error
	if f.Path, f.model, err = readHeader(path); err != nil {
		return nil, err
	}
	if err := checkModel(f.model); err != nil {
		return nil, &FileError{path, err}
	}
	if f.Digest, err = sampleDigest(f.Path); err != nil {
		return nil, &FileError{path, err}
	}
	f.digests[f.Path] = f.Digest
	if projector != "" {
		if f.Projector, f.projector, err = readHeader(projector); err != nil {
			return nil, err
		}
		if family := f.projector.Architecture(); family != "clip" {
			return nil, &FileError{projector, fmt.Errorf("its architecture is %s; a projector has the architecture clip", family)}
		}
		digest, err := sampleDigest(f.Projector)
		if err != nil {
			return nil, &FileError{projector, err}
		}
		f.digests[f.Projector] = digest
		f.Digest = hashOf([]byte(f.Digest + " " + digest))
	}
	if f.Name == "" {
		f.Name = nameOf(f.Path)
	}
	if !model.ParseName(f.Name).IsValid() {
		return nil, &FileError{path, fmt.Errorf("%q is not a model name that Ollama accepts; give another with --model", f.Name)}
	}
	return f, nil
}

// readHeader reads the metadata of a GGUF file and checks that the tensors are complete.
func readHeader(path string) (absolute string, header *gguf.Metadata, err error) {
	fail := func(err error) (string, *gguf.Metadata, error) { return "", nil, &FileError{path, err} }
	if absolute, err = filepath.Abs(path); err != nil {
		return fail(err)
	}
	info, err := os.Stat(absolute)
	if err != nil {
		return fail(errors.Unwrap(err)) // FileError holds the path already
	}
	if !info.Mode().IsRegular() {
		return fail(errors.New("it is not a regular file; name a GGUF file"))
	}
	if err := checkMagic(absolute); err != nil {
		return fail(err)
	}
	header, err = gguf.ReadFileMetadata(absolute, 0)
	if err != nil {
		return fail(fmt.Errorf("it is a GGUF file, but damaged or truncated (%d bytes): %w; download it again", info.Size(), err))
	}
	return absolute, header, nil
}

func checkMagic(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer file.Close()
	magic := make([]byte, 4)
	n, err := io.ReadFull(file, magic)
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it is empty; download it again")
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case string(magic[:n]) != "GGUF":
		return fmt.Errorf("it is not a GGUF file: it begins with %q instead of \"GGUF\"", magic[:n])
	}
	return nil
}

// checkModel rejects GGUF files that no server loads as a model.
func checkModel(header *gguf.Metadata) error {
	family := header.ExactKeyValue("general.architecture").String()
	split, _ := header.UintOK("split.count")
	switch {
	case family == "":
		return errors.New("its header names no architecture (general.architecture)")
	case split > 1:
		return fmt.Errorf("it is one of the %d files of a split model; merge them first (llama-gguf-split --merge FIRST-FILE WHOLE-FILE)", split)
	case family == "clip":
		return errors.New("it is the projector of a vision model, without the model; give it with --gguf-projector, and the model with --gguf")
	case header.Kind() == "adapter":
		return errors.New("it is an adapter (LoRA) without its base model")
	case header.NumTensors() == 0:
		return errors.New("it has no tensors: it is not a model, but a vocabulary or similar")
	}
	return nil
}

// nameOf makes a model name from a file name: each character that Ollama does not accept becomes a dash.
func nameOf(path string) string {
	stem := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, stem)
	const maxName = 80 // limit of Ollama's model names
	return strings.TrimLeft(name[:min(len(name), maxName)], "._-")
}
