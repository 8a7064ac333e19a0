package openai

import (
	"encoding/json"
	"fmt"
	"net/http"

	fast "fluxworker/worker/json"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// answerBody is what fluxworker reads of an answer; of another form it reads nothing. Lines have the whole body.
type answerBody struct {
	Choices []choice `json:"choices"`
	Status  string   `json:"status"` // of a response
	Usage   usage    `json:"usage"`

	Error json.RawMessage `json:"error"`
}

// failed returns the status of the error that a body has in place of an answer: LM Studio and gateways send errors with the status
// 200, and so does a response that failed. It returns 0 for an answer.
func (b *answerBody) failed() int {
	if len(b.Choices) > 0 || len(b.Error) <= len(`""`) || b.Error[0] != '{' && b.Error[0] != '"' {
		return 0
	}
	var said struct {
		Code any `json:"code"`
	}
	if json.Unmarshal(b.Error, &said) != nil {
		return http.StatusUnprocessableEntity // a text
	}
	switch code := said.Code.(type) {
	case float64:
		if code >= 400 && code <= 599 {
			return int(code)
		}
	case string: // of a response
		switch code {
		case "server_error":
			return http.StatusInternalServerError
		case "rate_limit_exceeded":
			return http.StatusTooManyRequests
		}
	}
	return http.StatusUnprocessableEntity
}

type choice struct {
	FinishReason string  `json:"finish_reason"`
	Text         string  `json:"text"` // of a completion
	Message      message `json:"message"`
}

type message struct {
	Content   json.RawMessage `json:"content"` // a string, as a rule
	ToolCalls json.RawMessage `json:"tool_calls"`
}

// usage has the names of completions and of responses.
type usage struct {
	Prompt       int     `json:"prompt_tokens"`
	Completion   int     `json:"completion_tokens"`
	Input        int     `json:"input_tokens"`
	Output       int     `json:"output_tokens"`
	PromptDetail details `json:"prompt_tokens_details"`
	InputDetail  details `json:"input_tokens_details"`
}

type details struct {
	Cached int `json:"cached_tokens"`
}

// readAnswer returns the answer with this body, which is valid JSON, or the status of an error.
func readAnswer(body []byte) (_ *ollama.Answer, failed int) {
	a := &ollama.Answer{Body: body, FinishReason: "stop"}
	var b answerBody
	if fast.View(body, &b) != nil {
		return a, 0 // an answer of another form, such as a list, is an answer
	}
	a.PromptTokens = max(0, b.Usage.Prompt, b.Usage.Input)
	a.CompletionTokens = max(0, b.Usage.Completion, b.Usage.Output)
	a.CachedTokens = max(0, b.Usage.PromptDetail.Cached, b.Usage.InputDetail.Cached)
	if b.Status == "incomplete" {
		a.FinishReason = "length"
	}
	for i, one := range b.Choices {
		text, empty := one.text()
		a.Blank = a.Blank || empty
		if i == 0 {
			a.Text = text
		} else {
			a.Others = append(a.Others, text)
		}
		if one.FinishReason == "length" || one.FinishReason == "abort" {
			a.FinishReason = one.FinishReason
		}
	}
	return a, b.failed()
}

// text returns the text of a choice. empty means that the choice has neither text nor tool calls.
func (c *choice) text() (_ string, empty bool) {
	text := c.Text
	if text == "" {
		text = prompt.TextOf(c.Message.Content)
	}
	return text, text == "" && len(c.Message.ToolCalls) <= len("null")
}

// errorBody is the body of an error: OpenAI's error object, or its members at the top as in older versions of vLLM.
type errorBody struct {
	Error   json.RawMessage `json:"error"`
	Message string          `json:"message"`
	Type    string          `json:"type"`
	Code    any             `json:"code"`
}

// maxMessage limits a message of a server, in bytes or characters: servers repeat all of a request that they refuse.
const maxMessage = 300

// said is what an error says.
type said struct {
	code    string
	message string          // for logs, where the prompts of a message would be read by others
	raw     json.RawMessage // nil where the body is no JSON
}

// readError reads the body of an error.
func readError(body []byte) said {
	if !fast.Valid(body) {
		if len(body) == 0 {
			return said{ollama.CodeInvalidRequest, "it gave no reason", nil}
		}
		return said{ollama.CodeInvalidRequest, fmt.Sprintf("%.*q", maxMessage, body), nil}
	}
	s := said{code: ollama.CodeInvalidRequest, message: fmt.Sprintf("%.*s", maxMessage, body), raw: fast.Compact(body)}
	var b errorBody
	if json.Unmarshal(body, &b) != nil {
		return s
	}
	if len(b.Error) > 0 && b.Error[0] == '{' {
		if json.Unmarshal(b.Error, &b) != nil {
			return s
		}
	} else if text := prompt.TextOf(b.Error); text != "" {
		b.Message = text
	}
	if b.Message != "" {
		s.message = fmt.Sprintf("%.*s", maxMessage, b.Message)
	}
	if code, ok := b.Code.(string); ok && code != "" {
		s.code = code
	} else if b.Type != "" {
		s.code = b.Type
	}
	return s
}
