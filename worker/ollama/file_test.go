package ollama

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ggufBytes is a GGUF of version 3 with one F32 tensor of 8 by 4. Values are strings and uint32.
func ggufBytes(t *testing.T, values map[string]any) []byte {
	t.Helper()
	var b bytes.Buffer
	put := func(v any) {
		if s, ok := v.(string); ok {
			binary.Write(&b, binary.LittleEndian, uint64(len(s)))
			b.WriteString(s)
			return
		}
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	b.WriteString("GGUF")
	for _, v := range []any{uint32(3), uint64(1), uint64(len(values))} {
		put(v)
	}
	for key, v := range values {
		put(key)
		kind := uint32(4) // uint32
		if _, ok := v.(string); ok {
			kind = 8
		}
		put(kind)
		put(v)
	}
	for _, v := range []any{"token_embd.weight", uint32(2), uint64(8), uint64(4), uint32(0), uint64(0)} {
		put(v)
	}
	for b.Len()%32 != 0 {
		b.WriteByte(0)
	}
	b.Write(make([]byte, 8*4*4))
	return b.Bytes()
}

func writeGGUF(t *testing.T, name string, values map[string]any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, ggufBytes(t, values), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenFileRefuses(t *testing.T) {
	whole := map[string]any{"general.architecture": "llama"}
	good := writeGGUF(t, "good.gguf", whole)
	cut := filepath.Join(t.TempDir(), "cut.gguf")
	if err := os.WriteFile(cut, ggufBytes(t, whole)[:200], 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ model, projector, as, want string }{
		"no architecture":       {writeGGUF(t, "m.gguf", nil), "", "", "names no architecture"},
		"one part of a split":   {writeGGUF(t, "m-00001-of-00003.gguf", map[string]any{"general.architecture": "llama", "split.count": uint32(3)}), "", "", "it is one of the 3 files"},
		"a projector":           {writeGGUF(t, "m.gguf", map[string]any{"general.architecture": "clip"}), "", "", "it is the projector of a vision model"},
		"an adapter":            {writeGGUF(t, "m.gguf", map[string]any{"general.architecture": "llama", "general.type": "adapter"}), "", "", "it is an adapter"},
		"cut in its tensors":    {cut, "", "", "damaged or truncated (200 bytes)"},
		"no such projector":     {good, filepath.Join(t.TempDir(), "none"), "", "no such file"},
		"a model as projector":  {good, good, "", "its architecture is llama; a projector has the architecture clip"},
		"a name that no one is": {good, "", "a:b:c/d", "is not a model name that Ollama accepts"},
		"an unusable stem":      {writeGGUF(t, "---.gguf", whole), "", "", "give another with --model"},
	} {
		_, err := OpenFile(tt.model, tt.projector, tt.as)
		var file *FileError
		if !errors.As(err, &file) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want a FileError with %q", name, err, tt.want)
		}
	}
}

func TestFileNames(t *testing.T) {
	for stem, want := range map[string]string{
		"Llama-3.2-3B-Instruct-Q4_K_M": "Llama-3.2-3B-Instruct-Q4_K_M",
		"my model (final)":             "my-model--final-",
		".hidden":                      "hidden",
		strings.Repeat("long", 40):     strings.Repeat("long", 20),
	} {
		f, err := OpenFile(writeGGUF(t, stem+".gguf", map[string]any{"general.architecture": "llama"}), "", "")
		if err != nil || f.Name != want {
			t.Errorf("%s: %+v, %v; want the name %s", stem, f, err, want)
		}
	}
}

// The digest depends on the contents only, not on name, folder and time. For a sampled file, the size and every part of
// the sample count.
func TestSampleDigest(t *testing.T) {
	dir := t.TempDir()
	data := make([]byte, 20<<20)
	digest := func(name string, data []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := sampleDigest(path)
		if err != nil || len(d) != 64 {
			t.Fatalf("%s: %q, %v", name, d, err)
		}
		return d
	}
	first := digest("a", data)
	if again := digest("b", data); again != first {
		t.Error("a copy has another digest")
	}
	if shorter := digest("c", data[:len(data)-1]); shorter == first {
		t.Error("a shorter file has the same digest")
	}
	for _, at := range []int{0, headBytes - 1, headBytes, len(data) - 1} {
		data[at]++
		if digest("d", data) == first {
			t.Errorf("a change at byte %d does not show", at)
		}
		data[at]--
	}
	// Of a small file all is read.
	small := data[:headBytes+samples*sampleBytes]
	before := digest("e", small)
	for at := headBytes; at < len(small); at += 999_983 {
		small[at]++
		if digest("f", small) == before {
			t.Errorf("a change at byte %d of a small file does not show", at)
		}
		small[at]--
	}
}

// What the file says is what a server would say of it.
func TestFileInfo(t *testing.T) {
	f, err := OpenFile(writeGGUF(t, "m.gguf", map[string]any{"general.architecture": "llama", "llama.block_count": uint32(2)}), "", "")
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Info()
	if err != nil || info.Family != "llama" || info.Digest != f.Digest || info.WeightsBytes < 128 || info.Projector ||
		info.Metadata["llama.block_count"] != 2.0 || info.Metadata["llama.vocab_size"] != 4.0 {
		t.Errorf("%+v, %v", info, err)
	}
}

// A server that is started again in the middle of a run must not get another file than the one before it.
func TestReplacedFileIsNotServed(t *testing.T) {
	path := writeGGUF(t, "m.gguf", map[string]any{"general.architecture": "llama"})
	f, err := OpenFile(path, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.layOut(filepath.Join(t.TempDir(), "models")); err != nil {
		t.Error(err)
	}
	other := writeGGUF(t, "m.gguf", map[string]any{"general.architecture": "qwen2"})
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if err := f.layOut(filepath.Join(t.TempDir(), "models")); err == nil || !strings.Contains(err.Error(), "was replaced after the run began") {
		t.Errorf("%v, want an error", err)
	}
}
