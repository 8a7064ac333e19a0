package ollama

import (
	"encoding/json"
	"time"

	"fluxworker/worker/prompt"
)

// Answer is a complete answer to a request.
type Answer struct {
	Text             string
	Reasoning        string // the model's reasoning before the answer
	ToolCalls        []prompt.ToolCall
	Logprobs         []Logprob   // log probabilities of the answer's tokens; only if the request asks for them
	Vectors          [][]float32 // only for /v1/embeddings: one vector per input text; Text is empty then
	FinishReason     string      // as Ollama reports it: "stop" or "length"
	PromptTokens     int
	Estimated        bool // PromptTokens is an estimate of this row's part: the server has counted several rows together
	CachedTokens     int  // tokens of the prompt that the slot had read already; 0 if the server does not tell it
	CompletionTokens int  // reasoning tokens included
	Created          time.Time
	Timings          Timings

	// Body is the answer of a server of OpenAI's API as the server gave it, without white space; nil for Ollama. It may hold several
	// answers: Text is the first, Others are the rest.
	Body   json.RawMessage
	Others []string
	Blank  bool // an answer in Body has neither text nor anything else
}

// Timings holds the durations that the server measured for one answer.
type Timings struct {
	Total, Load, Prompt, Generation time.Duration
}

// Cut reports whether the answer ended because it reached the row's token limit.
func (a *Answer) Cut() bool { return a.FinishReason == "length" }

// Empty reports whether the answer has no text, no tool call and no vector. A model with reasoning can spend all its
// tokens before the text begins.
func (a *Answer) Empty() bool {
	if a.Body != nil {
		return a.Blank
	}
	return a.Text == "" && len(a.ToolCalls)+len(a.Vectors) == 0
}

// reasoningTokens estimates how many of the answer's tokens are reasoning. Ollama counts reasoning and answer together,
// so the estimate divides the count in proportion to the bytes. It is exact if the answer has nothing but reasoning.
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

// Check returns an error if the answer does not have the form that the row asks for. If the answer has tool calls,
// Check checks the calls only.
func (a *Answer) Check(r *prompt.Request) error {
	if len(a.ToolCalls) > 0 {
		return r.CheckCalls(a.ToolCalls)
	}
	if r.Structure == nil {
		return nil
	}
	for _, text := range append([]string{a.Text}, a.Others...) {
		if err := r.Structure.Check(text); err != nil {
			return err
		}
	}
	return nil
}
