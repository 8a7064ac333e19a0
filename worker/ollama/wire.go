package ollama

import (
	"encoding/json"
	"time"

	"github.com/ollama/ollama/api"
)

// The native API's own types have the schemas and arguments of tools in a form of their own, which loses what it does not
// know. These pass them on as the row and the model wrote them.

// chatRequest is the body of /api/chat.
type chatRequest struct {
	Model       string          `json:"model"`
	Messages    []chatMessage   `json:"messages"`
	Tools       []chatTool      `json:"tools,omitempty"`
	Format      json.RawMessage `json:"format,omitempty"`
	Stream      bool            `json:"stream"`
	Options     map[string]any  `json:"options"`
	Think       any             `json:"think"` // false or a level
	Truncate    bool            `json:"truncate"`
	Shift       bool            `json:"shift"`
	Logprobs    bool            `json:"logprobs,omitempty"`
	TopLogprobs int             `json:"top_logprobs,omitempty"`
}

type chatMessage struct {
	Role       string     `json:"role"`
	Content    string     `json:"content"`
	Thinking   string     `json:"thinking,omitempty"`
	Images     [][]byte   `json:"images,omitempty"`
	ToolCalls  []chatCall `json:"tool_calls,omitempty"`
	ToolName   string     `json:"tool_name,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type chatTool struct {
	Type     string       `json:"type"`
	Function chatFunction `json:"function"`
}

type chatFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters"`
}

type chatCall struct {
	ID       string `json:"id,omitempty"`
	Function struct {
		Index     int             `json:"index"`
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"function"`
}

// generateRequest is the body of /api/generate.
type generateRequest struct {
	Model       string         `json:"model"`
	Prompt      string         `json:"prompt"`
	Suffix      string         `json:"suffix,omitempty"`
	Raw         bool           `json:"raw"`
	Stream      bool           `json:"stream"`
	Options     map[string]any `json:"options"`
	Think       bool           `json:"think"`
	Truncate    bool           `json:"truncate"`
	Shift       bool           `json:"shift"`
	Logprobs    bool           `json:"logprobs,omitempty"`
	TopLogprobs int            `json:"top_logprobs,omitempty"`
}

// embedRequest is the body of /api/embed. It has no shift: the server takes what it takes for a model that embeds.
type embedRequest struct {
	Model      string         `json:"model"`
	Input      []string       `json:"input"`
	Dimensions int            `json:"dimensions,omitempty"`
	Truncate   bool           `json:"truncate"`
	Options    map[string]any `json:"options"`
}

// nativeAnswer is what /api/chat and /api/generate answer.
type nativeAnswer struct {
	CreatedAt time.Time `json:"created_at"`
	Message   struct {
		Content   string     `json:"content"`
		Thinking  string     `json:"thinking"`
		ToolCalls []chatCall `json:"tool_calls"`
	} `json:"message"` // chat's
	Response   string    `json:"response"` // generate's
	Done       bool      `json:"done"`
	DoneReason string    `json:"done_reason"`
	Logprobs   []Logprob `json:"logprobs"`
	api.Metrics
}
