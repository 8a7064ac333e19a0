package ollama

import "fluxworker/worker/json"

// appendRequest encodes a request behind what is in buffer.
func appendRequest(buffer []byte, r any) ([]byte, error) { return json.Append(buffer, r) }

// decodeAnswer reads what the server sent. Nothing in the result refers to data.
func decodeAnswer(data []byte) (*nativeAnswer, error) {
	var r nativeAnswer
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	return &r, nil
}
