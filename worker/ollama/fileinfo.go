package ollama

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/ollama/ollama/format"
)

// Info returns the model's properties from the file. It has all that a server reports, except the version and the
// capabilities.
func (f *File) Info() (Info, error) {
	values := f.model.Values()
	// The header does not keep the tokens. Their number equals the rows of the embedding tensor.
	delete(values, "tokenizer.ggml.tokens")
	for _, t := range f.model.TensorInfos("token_embd.weight") {
		if len(t.Shape) == 2 {
			values[f.model.Architecture()+".vocab_size"] = t.Shape[1]
		}
	}
	info := Info{
		Digest: f.Digest, Family: f.model.Architecture(), Parameters: format.HumanNumber(f.model.ParameterCount()),
		Quantization: f.model.FileType().String(), Projector: f.Projector != "",
		HostBytes: hostBytes(f.model.TensorInfos()),
	}
	// Convert the values as JSON from a server would have them: every number is a float64.
	data, err := json.Marshal(values)
	if err == nil {
		err = json.Unmarshal(data, &info.Metadata)
	}
	if err != nil {
		return Info{}, &FileError{f.Path, fmt.Errorf("convert its header: %w", err)}
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
