package ollama

import (
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/fs/gguf"
)

// hostBytes returns the size of the part of a model that stays in host memory when all layers are on the GPU: the token
// embedding, if the output matrix is another tensor. Otherwise, and if the tensors are unknown, it returns 0. Both generations
// place the tensors in this way (llama-model.cpp, LLM_TENSOR_LAYER_INPUT; v0.24.0 ml/backend/ggml/ggml.go, New).
func hostBytes(tensors []gguf.TensorInfo) int64 {
	embedding, apart := int64(0), false
	for _, t := range tensors {
		switch t.Name {
		case "token_embd.weight":
			embedding = max(0, t.NumBytes()) // it is -1 for an unknown type
		case "output.weight":
			apart = true
		}
	}
	if !apart {
		return 0
	}
	return embedding
}

// shownTensors converts the tensors in an answer of /api/show. A type that this version does not know gets a size of -1.
func shownTensors(shown []api.Tensor) []gguf.TensorInfo {
	tensors := make([]gguf.TensorInfo, len(shown))
	for i, t := range shown {
		tensors[i] = gguf.TensorInfo{Name: t.Name, Shape: t.Shape, Type: tensorType(t.Type)}
	}
	return tensors
}

// unknownType is a type number that no version uses.
const unknownType gguf.TensorType = 1 << 16

func tensorType(name string) gguf.TensorType {
	for t := gguf.TensorTypeF32; t <= gguf.TensorTypeQ1_0; t++ {
		if strings.EqualFold(t.String(), name) {
			return t
		}
	}
	return unknownType
}
