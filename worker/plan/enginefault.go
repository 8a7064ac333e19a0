package plan

import (
	"fmt"

	"fluxworker/modelcfg"
	"fluxworker/worker/ollama"
)

// engineFault returns a warning about a known fault of a version of Ollama with a kind of model; "" without one. An empty
// version means that Ollama was not asked.
func engineFault(a modelcfg.Architecture, version string) string {
	switch {
	case a.Family != "mllama" || version == "":
		return ""
	case ollama.OldGeneration(version):
		// In ml/backend/ggml/ggml.go, Tanh works in place, and model/models/mllama/model_text.go applies it to the gates of the
		// cross-attention layers: to weights, in each forward pass. A gate g is about 1/sqrt(1/g² + 2n/3) after n tokens.
		return fmt.Sprintf("Ollama %s forgets what Llama 3.2 Vision sees: with each token after its start images count for less, a tenth after some hundred of them; for rows with images take another model, such as gemma3:12b", version)
	}
	return fmt.Sprintf("Ollama %s has no engine for Llama 3.2 Vision, and its load will fail; take a version from 0.17.4 to before 0.30, or another model with vision, such as gemma3:12b", version)
}
