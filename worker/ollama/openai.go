package ollama

import (
	"encoding/hex"
	"time"

	"fluxworker/worker/prompt"
)

// Completion is an answer as OpenAI's API gives it: a chat.completion, or a text_completion for a completions row.
type Completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"` // seconds since 1970
	Model   string   `json:"model"`
	Choices []Choice `json:"choices"`
	Usage   Usage    `json:"usage"`
	Timings millis   `json:"timings"`
}

// Choice is one answer; Message or Text is set, as the endpoint wants it.
type Choice struct {
	Index        int             `json:"index"`
	Message      *prompt.Message `json:"message,omitempty"`
	Text         *string         `json:"text,omitempty"`
	Logprobs     *struct{}       `json:"logprobs"`
	FinishReason string          `json:"finish_reason"`
}

// Usage counts tokens as the server counted them.
type Usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// millis is an addition to OpenAI's schema: the server's own times in milliseconds.
type millis struct {
	Total      float64 `json:"total_ms"`
	Load       float64 `json:"load_ms"`
	Prompt     float64 `json:"prompt_ms"`
	Generation float64 `json:"generation_ms"`
}

// Completion renders the answer for the row it belongs to. Its id comes from the row's key.
func (a *Answer) Completion(row prompt.Row) Completion {
	id := hex.EncodeToString(row.Key[:])
	choice := Choice{FinishReason: a.FinishReason}
	c := Completion{
		Created: a.Created.Unix(),
		Model:   row.Request.Model,
		Usage: Usage{
			PromptTokens:     a.PromptTokens,
			CompletionTokens: a.CompletionTokens,
			TotalTokens:      a.PromptTokens + a.CompletionTokens,
		},
		Timings: millis{
			Total: ms(a.Timings.Total), Load: ms(a.Timings.Load), Prompt: ms(a.Timings.Prompt), Generation: ms(a.Timings.Generation),
		},
	}
	if row.Request.Endpoint == prompt.Completions {
		c.ID, c.Object = "cmpl-"+id, "text_completion"
		choice.Text = &a.Text
	} else {
		c.ID, c.Object = "chatcmpl-"+id, "chat.completion"
		choice.Message = &prompt.Message{Role: "assistant", Content: a.Text}
	}
	c.Choices = []Choice{choice}
	return c
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// ErrorBody is OpenAI's error object, the body of an answer with a status code of 4xx.
type ErrorBody struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	} `json:"error"`
}

// Body renders the error for the row's line.
func (e *RequestError) Body() ErrorBody {
	var b ErrorBody
	b.Error.Message, b.Error.Type, b.Error.Code = e.Message, "invalid_request_error", e.Code
	return b
}
