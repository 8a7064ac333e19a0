package ollama

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/ollama/ollama/api"
)

// The types of Ollama's api package parse tool schemas and arguments and lose unknown fields. The types below pass them
// on unchanged.

// chatRequest is the body of /api/chat.
type chatRequest struct {
	Model       string          `json:"model"`
	Messages    []chatMessage   `json:"messages"`
	Tools       []chatTool      `json:"tools,omitempty"`
	Format      json.RawMessage `json:"format,omitempty"`
	Stream      bool            `json:"stream"`
	Options     map[string]any  `json:"options"`
	Think       any             `json:"think"` // false, or a level as a string
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

// embedRequest is the body of /api/embed. It has no shift option.
type embedRequest struct {
	Model      string         `json:"model"`
	Input      []string       `json:"input"`
	Dimensions int            `json:"dimensions,omitempty"`
	Truncate   bool           `json:"truncate"`
	Options    map[string]any `json:"options"`
}

// nativeAnswer is the response of /api/chat and /api/generate.
type nativeAnswer struct {
	CreatedAt time.Time `json:"created_at"`
	Message   struct {
		Content   string     `json:"content"`
		Thinking  string     `json:"thinking"`
		ToolCalls []chatCall `json:"tool_calls"`
	} `json:"message"` // of /api/chat
	Response   string    `json:"response"` // of /api/generate
	Done       bool      `json:"done"`
	DoneReason string    `json:"done_reason"`
	Logprobs   []Logprob `json:"logprobs"`
	api.Metrics
	PromptEvalCount tokenCount `json:"prompt_eval_count"` // instead of the same fields of api.Metrics
	EvalCount       tokenCount `json:"eval_count"`
	// CachedCount is 0 with Ollama before 0.30, which does not tell it.
	CachedCount tokenCount `json:"prompt_eval_cached_count"`
}

// maxTokenCount is more than the tokens of any request: the longest context of a model has ten million.
const maxTokenCount = 100_000_000

// tokenCount is a number of tokens that a server sent, or 0 if that number is impossible.
type tokenCount int

// UnmarshalJSON takes a number from 0 to maxTokenCount, and any other value as 0.
func (c *tokenCount) UnmarshalJSON(data []byte) error {
	*c = possibleCount(string(data))
	return nil
}

// possibleCount returns a number from 0 to maxTokenCount, and 0 for any other text.
func possibleCount(text string) tokenCount {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxTokenCount {
		return 0
	}
	return tokenCount(n)
}
