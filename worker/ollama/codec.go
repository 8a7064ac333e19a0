package ollama

import (
	"github.com/ollama/ollama/api"

	"fluxworker/worker/json"
)

// appendRequest encodes a request behind what is in buffer.
func appendRequest(buffer []byte, r *api.ChatRequest) ([]byte, error) { return json.Append(buffer, r) }

// plainMessage is api.Message without its method, which would have each message parsed twice.
type plainMessage api.Message

// decodeAnswer reads what the server sent. Nothing in the result refers to data.
func decodeAnswer(data []byte) (*api.ChatResponse, error) {
	var r struct {
		api.ChatResponse
		Message plainMessage `json:"message"`
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	r.ChatResponse.Message = api.Message(r.Message)
	return &r.ChatResponse, nil
}
