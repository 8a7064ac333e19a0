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

// File is a model that comes as a GGUF file. Each server gets a model folder of its own in its scratch, with a link to the
// file in it, and looks into no other.
type File struct {
	Path      string // absolute
	Projector string // absolute; the GGUF that encodes images, empty where there is none
	Name      string // what requests call the model: an Ollama tag
	// Digest is of a sample of the file, and of the projector: 64 hexadecimal digits. See sampleDigest.
	Digest string

	model, projector *gguf.Metadata
	digests          map[string]string // of the samples, by path
	template         string            // Go's, as Ollama has it; empty leaves it to the server
	stop             []string          // what ends an answer, beside what the file says
}

// FileError is a GGUF file that cannot be used.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("read model %s: %v", e.Path, e.Err) }
func (e *FileError) Unwrap() error { return e.Err }

// OpenFile reads the headers of a model and of its projector, which may be empty. Name is what requests will call the model;
// without one it is the file's, without ending. The error is a *FileError.
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
			return nil, &FileError{projector, fmt.Errorf("its architecture is %s; a projector's is clip", family)}
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
		return nil, &FileError{path, fmt.Errorf("%q is no name that Ollama takes; name the model with --model", f.Name)}
	}
	return f, nil
}

// readHeader reads everything of a GGUF but its tensors, and checks that they are there.
func readHeader(path string) (absolute string, header *gguf.Metadata, err error) {
	fail := func(err error) (string, *gguf.Metadata, error) { return "", nil, &FileError{path, err} }
	if absolute, err = filepath.Abs(path); err != nil {
		return fail(err)
	}
	info, err := os.Stat(absolute)
	if err != nil {
		return fail(errors.Unwrap(err)) // the path is in the message already
	}
	if !info.Mode().IsRegular() {
		return fail(errors.New("it is not a regular file; name a GGUF file"))
	}
	if err := checkMagic(absolute); err != nil {
		return fail(err)
	}
	header, err = gguf.ReadFileMetadata(absolute, 0)
	if err != nil {
		return fail(fmt.Errorf("it is a GGUF file, but damaged or cut short (%d bytes): %w; fetch it again", info.Size(), err))
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
		return errors.New("it is empty; fetch it again")
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case string(magic[:n]) != "GGUF":
		return fmt.Errorf("it is not a GGUF file: it begins with %q instead of \"GGUF\"", magic[:n])
	}
	return nil
}

// checkModel refuses GGUF files that no server loads as a model.
func checkModel(header *gguf.Metadata) error {
	family := header.ExactKeyValue("general.architecture").String()
	split, _ := header.UintOK("split.count")
	switch {
	case family == "":
		return errors.New("its header names no architecture (general.architecture)")
	case split > 1:
		return fmt.Errorf("it is one of %d files of a split model; put them together first (llama-gguf-split --merge FIRST-FILE WHOLE-FILE)", split)
	case family == "clip":
		return errors.New("it is the projector of a model that sees, without the model; name it with --gguf-projector, and the model with --gguf")
	case header.Kind() == "adapter":
		return errors.New("it is an adapter (LoRA) without the model that it is for")
	case header.NumTensors() == 0:
		return errors.New("it has no tensors: it is a vocabulary or the like, no model")
	}
	return nil
}

// nameOf makes a model's name of a file's: what Ollama does not take becomes a dash.
func nameOf(path string) string {
	stem := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, stem)
	const longest = 80 // of Ollama's names
	return strings.TrimLeft(name[:min(len(name), longest)], "._-")
}
