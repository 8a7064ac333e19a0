package ollama

import (
	"encoding/hex"

	"fluxworker/worker/prompt"
)

// Response is a response in the format of OpenAI's /v1/responses.
type Response struct {
	ID         string            `json:"id"`
	Object     string            `json:"object"`
	CreatedAt  int64             `json:"created_at"` // seconds since 1970
	Status     string            `json:"status"`     // completed, or incomplete for an answer that was cut
	Incomplete *IncompleteReason `json:"incomplete_details"`
	Error      any               `json:"error"` // always null: a failure has no response
	Model      string            `json:"model"`
	Output     []OutputItem      `json:"output"`
	Parallel   bool              `json:"parallel_tool_calls"` // these three say that a row has no tools
	ToolChoice string            `json:"tool_choice"`
	Tools      []any             `json:"tools"`
	Usage      ResponseUsage     `json:"usage"`
	Timings    millis            `json:"timings"`
}

// IncompleteReason says why an answer is incomplete.
type IncompleteReason struct {
	Reason string `json:"reason"` // max_output_tokens
}

// OutputItem is the message of a response, or the reasoning before it.
type OutputItem struct {
	Type    string        `json:"type"` // message or reasoning
	ID      string        `json:"id"`
	Status  string        `json:"status,omitempty"`
	Role    string        `json:"role,omitempty"`
	Summary []any         `json:"summary,omitzero"` // of reasoning: always empty
	Content []OutputParts `json:"content"`
}

// OutputParts is a text of an item.
type OutputParts struct {
	Type        string `json:"type"` // output_text or reasoning_text
	Text        string `json:"text"`
	Annotations []any  `json:"annotations,omitzero"` // of a message: always empty
}

// ResponseUsage holds the server's token counts.
type ResponseUsage struct {
	InputTokens  int `json:"input_tokens"`
	InputDetails struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	OutputTokens  int `json:"output_tokens"`
	OutputDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"` // an estimate
	} `json:"output_tokens_details"`
	TotalTokens int `json:"total_tokens"`
}

// asResponse returns the response for a row of /v1/responses. Ids are made from the row's key.
func asResponse(row prompt.Row, a *Answer) Response {
	key := hex.EncodeToString(row.Key[:])
	r := Response{ID: "resp_" + key, Object: "response", CreatedAt: a.Created.Unix(), Status: "completed", Model: row.Request.Model, ToolChoice: "auto", Tools: []any{}}
	if a.Cut() {
		r.Status, r.Incomplete = "incomplete", &IncompleteReason{"max_output_tokens"}
	}
	if a.Reasoning != "" {
		r.Output = append(r.Output, OutputItem{
			Type: "reasoning", ID: "rs_" + key, Summary: []any{}, Content: []OutputParts{{Type: "reasoning_text", Text: a.Reasoning}},
		})
		r.Usage.OutputDetails.ReasoningTokens = a.reasoningTokens()
	}
	r.Output = append(r.Output, OutputItem{
		Type: "message", ID: "msg_" + key, Status: r.Status, Role: "assistant",
		Content: []OutputParts{{Type: "output_text", Text: a.Text, Annotations: []any{}}},
	})
	r.Usage.InputTokens, r.Usage.OutputTokens = a.PromptTokens, a.CompletionTokens
	r.Usage.InputDetails.CachedTokens = a.CachedTokens
	r.Usage.TotalTokens = a.PromptTokens + a.CompletionTokens
	r.Timings.add(a.Timings)
	return r
}
