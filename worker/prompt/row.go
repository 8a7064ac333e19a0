package prompt

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Row is one row of the input: either a request ready to be asked, or the reason why it cannot be.
type Row struct {
	// Index counts the input's rows from 0; blank lines, comments and headers are no rows. It decides the shard.
	Index int64
	// Line is the line in the input on which the row begins, or its file's place in the folder, from 1.
	Line int64
	// CustomID is the row's own name, or "row-<line>" where it has none.
	CustomID string
	// Key is the row's identity across runs.
	Key Key
	// Request is what to ask; zero where Reject is set.
	Request Request
	// Reject says why the row cannot be asked; nil for a good row.
	Reject *Reject
}

// Endpoint is the OpenAI path that a row was written for. It decides the shape of the answer.
type Endpoint string

// The endpoints that rows may name.
const (
	Chat        Endpoint = "/v1/chat/completions"
	Completions Endpoint = "/v1/completions" // the prompt is continued as it stands: no template, no system message
	Embeddings  Endpoint = "/v1/embeddings"
)

// Request is a row's effective request: the row itself over the run's defaults, every option explicit. Two equal
// requests get the same answer from the same model, up to sampling; how many slots or GPUs serve them is not in it.
type Request struct {
	Endpoint Endpoint `json:"endpoint"`
	Model    string   `json:"model"` // the name that the server knows the model by
	// Messages is the conversation. A row of /v1/completions has one, its prompt; one of /v1/embeddings has none.
	Messages []Message `json:"messages"`
	Sampling Sampling  `json:"sampling"`

	N         int        `json:"n,omitempty"`        // answers wanted, up to mostAnswers; 0 is one
	Logprobs  *int       `json:"logprobs,omitempty"` // alternatives to each token that are named, with the probabilities of all; nil tells none
	Thinking  Effort     `json:"thinking,omitempty"`
	Structure *Structure `json:"structure,omitempty"` // what the answer must be; nil is text
	Tools     []Tool     `json:"tools,omitempty"`     // that the model may ask to have called

	Suffix string `json:"suffix,omitempty"` // of a completion: what follows the text to be written
	Echo   bool   `json:"echo,omitempty"`   // of a completion: the prompt is a part of the answer

	Embedding *Embedding `json:"embedding,omitempty"` // set for /v1/embeddings alone
}

// Answers is how many answers the row asks for.
func (r *Request) Answers() int { return max(r.N, 1) }

// SeedOf is the seed of the answer with the given index, where that one is drawn for the given time: each has its own,
// which depends on nothing else. Nil where the row has no seed.
func (r *Request) SeedOf(index, draw int) *int64 {
	if r.Sampling.Seed == nil {
		return nil
	}
	return new(*r.Sampling.Seed + int64(index) + int64(draw)*mostAnswers)
}

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"` // system, user, assistant or tool
	Content string `json:"content"`
	// Images are PNG, JPEG or WebP files, in the message's order. JSON has them in base64.
	Images [][]byte `json:"images,omitempty"`

	Reasoning  string     `json:"reasoning_content,omitempty"` // what an assistant thought before it spoke
	ToolCalls  []ToolCall `json:"tool_calls,omitempty"`        // of an assistant
	ToolCallID string     `json:"tool_call_id,omitempty"`      // of a tool's answer: the call that it is for
	ToolName   string     `json:"tool_name,omitempty"`         // and the tool
}

// Sampling holds the options that decide how an answer is drawn from the model.
type Sampling struct {
	MaxTokens        int      `json:"max_tokens"`        // at least 1
	Temperature      float64  `json:"temperature"`       // 0 to 2; 0 is greedy
	TopP             float64  `json:"top_p"`             // above 0, to 1
	TopK             int      `json:"top_k"`             // 0 takes every token into account
	Seed             *int64   `json:"seed,omitempty"`    // nil draws a new one for each request
	Stop             []string `json:"stop,omitempty"`    // strings that end the answer and are not part of it
	FrequencyPenalty float64  `json:"frequency_penalty"` // -2 to 2
	PresencePenalty  float64  `json:"presence_penalty"`  // -2 to 2

	MinP          float64 `json:"min_p,omitempty"`          // 0 to 1: tokens less likely than this part of the likeliest are left out
	RepeatPenalty float64 `json:"repeat_penalty,omitempty"` // to 10; 0 stands for DefaultRepeatPenalty
	RepeatLastN   *int    `json:"repeat_last_n,omitempty"`  // tokens that it looks back, -1 all; nil stands for DefaultRepeatLastN
}

// Reject is the reason why a row has no request. Code is one of OpenAI's codes where one exists.
type Reject struct {
	Code    string
	Param   string // the field at fault, dotted from the row's root ("body.temperature"), or empty
	Message string
}

// Error makes a Reject usable where a row is asked for by itself.
func (r *Reject) Error() string { return r.Message }

// The codes of rejected rows. The first five are what OpenAI's Batch API reports for a bad file, the others what its
// API answers to a bad request.
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

// Key identifies a row and what is asked in it. The first half is a hash of the row's name: of its custom_id, or,
// without one, of its content and of how often the same content came before. The second half is a hash of its effective
// request. So a reordered or extended input resumes, and a row that changed under the same name is noticed.
type Key [16]byte

const keyPrefix = "batch_req_"

// String spells the key as the id of a result line.
func (k Key) String() string { return keyPrefix + hex.EncodeToString(k[:]) }

// Name is the half that tells rows apart.
func (k Key) Name() [8]byte { return [8]byte(k[:8]) }

// ParseKey reads the id of a result line.
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
