package ollama

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/ollama/ollama/format"
)

// Info is what the file itself says of the model: all that a server would, but for its version and the capabilities, which
// take one to tell.
func (f *File) Info() (Info, error) {
	values := f.model.Values()
	// The tokens are left out of the header that is kept. As many there are as the embedding has rows.
	delete(values, "tokenizer.ggml.tokens")
	for _, t := range f.model.TensorInfos("token_embd.weight") {
		if len(t.Shape) == 2 {
			values[f.model.Architecture()+".vocab_size"] = t.Shape[1]
		}
	}
	info := Info{
		Digest: f.Digest, Family: f.model.Architecture(), Parameters: format.HumanNumber(f.model.ParameterCount()),
		Quantization: f.model.FileType().String(), Projector: f.Projector != "",
	}
	// As a server sends it: the numbers of JSON are of one kind.
	data, err := json.Marshal(values)
	if err == nil {
		err = json.Unmarshal(data, &info.Metadata)
	}
	if err != nil {
		return Info{}, &FileError{f.Path, fmt.Errorf("use its header: %w", err)}
	}
	for _, path := range []string{f.Path, f.Projector} {
		if path == "" {
			continue
		}
		file, err := os.Stat(path)
		if err != nil {
			return Info{}, &FileError{path, err}
		}
		info.WeightsBytes += file.Size()
	}
	return info, nil
}
