package ollama

import "fluxworker/worker/json"

// appendRequest appends the encoded request to buffer.
func appendRequest(buffer []byte, r any) ([]byte, error) { return json.Append(buffer, r) }

// decodeAnswer decodes a response of /api/chat or /api/generate. The result does not refer to data.
func decodeAnswer(data []byte) (*nativeAnswer, error) {
	var r nativeAnswer
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	return &r, nil
}
