// Package synthetic writes models of real shape with random weights: GGUF files that a server loads and computes like real
// models of that size, and that come from no network. Their answers mean nothing.
package synthetic

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
)

// Shape is the architecture of a model, with its numbers.
type Shape struct {
	Name       string
	Arch       string // general.architecture
	Layers     int
	Width      int // embedding_length
	Inner      int // feed_forward_length
	Heads      int
	KVHeads    int
	HeadSize   int
	Vocabulary int
	Context    int  // context_length
	Tied       bool // the token embedding is the output matrix, too
	// Window is the sliding window in tokens of five layers of six; 0 for none.
	Window int
	// Attention says which layers of a hybrid have attention; the others have a Mamba 2 state. nil means all.
	Attention []int
	State     State
}

// State holds the numbers of Mamba 2 layers (keys ssm.*).
type State struct{ Kernel, Inner, Size, Heads, Groups int }

// Shapes returns the models: their numbers are those of published models.
func Shapes() []Shape {
	return []Shape{
		{ // Llama 3.1 8B
			Name: "8b", Arch: "llama", Layers: 32, Width: 4096, Inner: 14336, Heads: 32, KVHeads: 8, HeadSize: 128,
			Vocabulary: 128256, Context: 131072,
		},
		{ // Granite 4.0 H Micro
			Name: "hybrid", Arch: "granitehybrid", Layers: 40, Width: 2048, Inner: 8192, Heads: 32, KVHeads: 8, HeadSize: 64,
			Vocabulary: 100352, Context: 131072, Tied: true, Attention: []int{5, 15, 25, 35},
			State: State{Kernel: 4, Inner: 4096, Size: 128, Heads: 64, Groups: 1},
		},
		{ // Gemma 3 12B
			Name: "window", Arch: "gemma3", Layers: 48, Width: 3840, Inner: 15360, Heads: 16, KVHeads: 8, HeadSize: 256,
			Vocabulary: 262144, Context: 131072, Tied: true, Window: 1024,
		},
	}
}

// ByName returns the shape with this name.
func ByName(name string) (Shape, error) {
	var names []string
	for _, s := range Shapes() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Shape{}, fmt.Errorf("model is %q; it must be one of %q", name, names)
}

// Reduced returns the shape with fewer layers and tokens, for a machine without a GPU. The width stays. A hybrid keeps attention
// in its last layer.
func (s Shape) Reduced(layers, vocabulary int) Shape {
	s.Layers, s.Vocabulary = min(layers, s.Layers), min(vocabulary, s.Vocabulary)
	if s.Attention != nil && s.Attention[0] >= s.Layers {
		s.Attention = []int{s.Layers - 1}
	}
	return s
}

// attends reports whether a layer has attention.
func (s Shape) attends(layer int) bool {
	if s.Attention == nil {
		return true
	}
	for _, l := range s.Attention {
		if l == layer {
			return true
		}
	}
	return false
}

// Write writes the model to path, whole or not at all.
func (s Shape) Write(path string) error {
	return s.write(path, func(f *os.File, tensors []tensor) error {
		w := bufio.NewWriterSize(f, 1<<20)
		random := rand.NewChaCha8([32]byte([]byte("the same weights on each machine")))
		for _, t := range tensors {
			if err := writeData(w, t, random); err != nil {
				return err
			}
		}
		return w.Flush()
	})
}

// WriteHeader writes a file with the metadata and the size of the model, and no weights. A planner reads such a file, no
// server can. The file takes no room on the disk.
func (s Shape) WriteHeader(path string) error {
	return s.write(path, func(f *os.File, tensors []tensor) error {
		at, err := f.Seek(0, 1)
		if err != nil {
			return err
		}
		for _, t := range tensors {
			at += aligned(t.bytes())
		}
		return f.Truncate(at)
	})
}

func (s Shape) write(path string, data func(*os.File, []tensor) error) error {
	draft := path + ".draft"
	f, err := os.Create(draft)
	if err != nil {
		return err
	}
	defer os.Remove(draft) // the rename has removed it after a success
	defer f.Close()
	tensors := s.tensors()
	if _, err := writeHeader(f, s.metadata(), tensors); err != nil {
		return fmt.Errorf("write the header of %s: %w", path, err)
	}
	if err := data(f, tensors); err != nil {
		return fmt.Errorf("write the weights of %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(draft, path)
}

// TensorBytes returns the size of all weights, and of those that a server keeps in host memory: the token embedding, unless it
// is the output matrix, too.
func (s Shape) TensorBytes() (all, host int64) {
	for _, t := range s.tensors() {
		all += t.bytes()
		if t.name == embedding && !s.Tied {
			host += t.bytes()
		}
	}
	return all, host
}
