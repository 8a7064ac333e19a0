package ollama

import (
	"time"

	"fluxworker/worker/prompt"
)

// Answer is a complete answer to a request.
type Answer struct {
	Text             string
	Reasoning        string // what the model thought before it spoke
	ToolCalls        []prompt.ToolCall
	Logprobs         []Logprob   // of the tokens, where the request asks for them
	Vectors          [][]float32 // of /v1/embeddings: one for each text, and then there is no text
	FinishReason     string      // Ollama's: stop or length
	PromptTokens     int
	CompletionTokens int // those of the reasoning included
	Created          time.Time
	Timings          Timings
}

// Timings say where the server's time went.
type Timings struct {
	Total, Load, Prompt, Generation time.Duration
}

// Cut tells whether the answer ended because it had reached the row's limit of tokens.
func (a *Answer) Cut() bool { return a.FinishReason == "length" }

// Empty tells whether there is neither a text nor a call nor a vector: a model that thinks may use up its tokens before.
func (a *Answer) Empty() bool { return a.Text == "" && len(a.ToolCalls)+len(a.Vectors) == 0 }

// reasoningTokens is how many of the answer's tokens are reasoning. Ollama counts them together, so they are divided as the
// bytes are; where nothing but reasoning came the number is exact.
func (a *Answer) reasoningTokens() int {
	rest := len(a.Text)
	for _, call := range a.ToolCalls {
		rest += len(call.Name) + len(call.Arguments)
	}
	if a.Reasoning == "" {
		return 0
	}
	return int(float64(a.CompletionTokens)*float64(len(a.Reasoning))/float64(len(a.Reasoning)+rest) + 0.5)
}

// Check tells why the answer is not what the row wants of its form; nil where it is. A call is one in any case.
func (a *Answer) Check(r *prompt.Request) error {
	if len(a.ToolCalls) > 0 {
		return r.CheckCalls(a.ToolCalls)
	}
	if r.Structure == nil {
		return nil
	}
	return r.Structure.Check(a.Text)
}
