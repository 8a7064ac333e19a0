package prompt

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// Row is one row of the input. It has either a request or a Reject.
type Row struct {
	// Index is the position among the input's rows, from 0; blank lines, comments and headers do not count. It decides
	// the shard.
	Index int64
	// Line is the input line on which the row begins, or the file's position in the folder, from 1.
	Line int64
	// CustomID is the row's own name, or "row-<line>" if it has none.
	CustomID string
	// Key identifies the row across runs.
	Key Key
	// Request is the request to send; zero if Reject is set.
	Request Request
	// Reject is the reason why the row cannot be sent; nil for a good row.
	Reject *Reject
}

// OwnsName reports whether the row has its CustomID for itself. It does not if an earlier row has the same.
func (r *Row) OwnsName() bool { return r.Reject == nil || r.Reject.Code != CodeDuplicateCustomID }

// Endpoint is the path of OpenAI's API for which a row was written. It decides the format of the answer.
type Endpoint string

// The supported endpoints.
const (
	Chat        Endpoint = "/v1/chat/completions"
	Completions Endpoint = "/v1/completions" // continues the prompt literally: no template, no system message
	Embeddings  Endpoint = "/v1/embeddings"
	Responses   Endpoint = "/v1/responses" // a chat whose answer has the form of a response
)

// Request is a row's effective request: the row merged over the run's defaults, with every option explicit. Equal
// requests to the same model get the same answer, except for sampling. The numbers of slots and GPUs are not part of
// it.
type Request struct {
	Endpoint Endpoint `json:"endpoint"`
	Model    string   `json:"model"` // the server's name of the model
	// Messages is the conversation. A row of /v1/completions has one message, its prompt; a row of /v1/embeddings has
	// none.
	Messages []Message `json:"messages"`
	Sampling Sampling  `json:"sampling"`

	N         int        `json:"n,omitempty"`        // number of answers, up to maxAnswers; 0 means one
	Logprobs  *int       `json:"logprobs,omitempty"` // number of alternatives per token to return, with all log probabilities; nil returns none
	Thinking  Effort     `json:"thinking,omitempty"`
	Structure *Structure `json:"structure,omitempty"` // the required form of the answer; nil means text
	Tools     []Tool     `json:"tools,omitempty"`     // tools that the model may call

	Suffix string `json:"suffix,omitempty"` // completions only: the text after the answer
	Echo   bool   `json:"echo,omitempty"`   // completions only: the answer begins with the prompt

	Embedding *Embedding `json:"embedding,omitempty"` // set for /v1/embeddings only

	// Body is what a server of OpenAI's API gets, without white space; nil for Ollama. A row with a body of its own has no
	// Messages and no Embedding, and its Endpoint is any path below /v1/.
	Body json.RawMessage `json:"body,omitempty"`
}

// Answers returns how many answers the row asks for.
func (r *Request) Answers() int { return max(r.N, 1) }

// SeedOf returns the seed for generating the answer with the given index for the draw-th time. Each combination has its
// own seed, which depends on nothing else. It returns nil if the row has no seed.
func (r *Request) SeedOf(index, draw int) *int64 {
	if r.Sampling.Seed == nil {
		return nil
	}
	return new(*r.Sampling.Seed + int64(index) + int64(draw)*maxAnswers)
}

// Message is one message of a conversation.
type Message struct {
	Role    string `json:"role"` // system, user, assistant or tool
	Content string `json:"content"`
	// Images are PNG, JPEG or WebP files, in the order of the message. JSON has them in base64.
	Images [][]byte `json:"images,omitempty"`

	Reasoning  string     `json:"reasoning_content,omitempty"` // an assistant's reasoning before its answer
	ToolCalls  []ToolCall `json:"tool_calls,omitempty"`        // an assistant's tool calls
	ToolCallID string     `json:"tool_call_id,omitempty"`      // in a tool's result: the id of the call
	ToolName   string     `json:"tool_name,omitempty"`         // in a tool's result: the name of the tool
}

// Sampling holds the sampling options of a request.
type Sampling struct {
	MaxTokens        int      `json:"max_tokens"`        // at least 1
	Temperature      float64  `json:"temperature"`       // 0 to 2; 0 is greedy
	TopP             float64  `json:"top_p"`             // above 0, to 1
	TopK             int      `json:"top_k"`             // 0 means no limit
	Seed             *int64   `json:"seed,omitempty"`    // nil means a new seed for each request
	Stop             []string `json:"stop,omitempty"`    // the answer ends before any of these strings
	FrequencyPenalty float64  `json:"frequency_penalty"` // -2 to 2
	PresencePenalty  float64  `json:"presence_penalty"`  // -2 to 2

	MinP          float64 `json:"min_p,omitempty"`          // 0 to 1: minimum probability of a token, relative to the most likely token
	RepeatPenalty float64 `json:"repeat_penalty,omitempty"` // above 0, to 10; 0 means DefaultRepeatPenalty
	RepeatLastN   *int    `json:"repeat_last_n,omitempty"`  // number of last tokens that the penalty covers, -1 for all; nil means DefaultRepeatLastN
}

// Reject is the reason why a row has no request. Code is a code of OpenAI's API if a suitable one exists.
type Reject struct {
	Code    string
	Param   string // path of the field at fault from the row's root ("body.temperature"), or empty
	Message string
}

// Error returns the message.
func (r *Reject) Error() string { return r.Message }

// Codes of rejected rows. The first five are OpenAI's Batch API codes for a bad file, most of the others OpenAI's API
// codes for a bad request.
const (
	CodeInvalidJSON       = "invalid_json_line"
	CodeDuplicateCustomID = "duplicate_custom_id"
	CodeURLMismatch       = "url_mismatch"
	CodeModelMismatch     = "model_mismatch"
	CodeEmptyFile         = "empty_file"
	CodeMissing           = "missing_required_parameter"
	CodeInvalidType       = "invalid_type"
	CodeInvalidValue      = "invalid_value"
	CodeUnsupported       = "unsupported_parameter"
	CodeTooLarge          = "row_too_large"
	CodeInvalidRecord     = "invalid_csv_row"
	CodeUnreadable        = "unreadable_file"
)

// Key identifies a row and its request. The first half is a hash of the row's name: of its custom_id, or else of its
// content and of the number of earlier rows with the same content. The second half is a hash of the effective request.
// So a reordered or extended input can resume, and a changed row with an old name is detected.
type Key [16]byte

const keyPrefix = "batch_req_"

// String returns the key as the id of a result line.
func (k Key) String() string { return keyPrefix + hex.EncodeToString(k[:]) }

// Name returns the half of the key that identifies the row.
func (k Key) Name() [8]byte { return [8]byte(k[:8]) }

// ParseKey parses the id of a result line.
func ParseKey(id string) (Key, error) {
	var k Key
	digits, ok := strings.CutPrefix(id, keyPrefix)
	if !ok || len(digits) != 2*len(k) {
		return k, fmt.Errorf("parse id %q: want %s and %d hexadecimal digits", id, keyPrefix, 2*len(k))
	}
	if _, err := hex.Decode(k[:], []byte(digits)); err != nil {
		return k, fmt.Errorf("parse id %q: %w", id, err)
	}
	return k, nil
}
