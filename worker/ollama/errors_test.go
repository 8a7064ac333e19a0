package ollama

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"fluxworker/worker/prompt"
)

// A schema that the server cannot use is the fault of its row, whichever runner says so: no retry can help, and another
// row is not concerned.
func TestSchemaIsTheFaultOfTheRow(t *testing.T) {
	for _, message := range []string{
		"invalid JSON schema in format",
		"failed to load model vocabulary required for format", // seen of v0.24.0 with tiny-gemma3
		"Failed to initialize samplers: failed to parse grammar",
		"JSON schema conversion failed:\nUnsupported ref",
	} {
		for _, status := range []int{http.StatusBadRequest, http.StatusInternalServerError} {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				json.NewEncoder(w).Encode(map[string]string{"error": message})
			}))
			c, err := NewClient(s.URL, 1, Runner{Context: 512})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Ask(context.Background(), prompt.Request{Endpoint: prompt.Chat, Model: "m", Messages: []prompt.Message{{Role: "user", Content: "x"}}})
			c.Close()
			s.Close()
			if fault, ok := errors.AsType[*RequestError](err); !ok || fault.Code != CodeInvalidRequest {
				t.Errorf("%d %s: %v", status, message, err)
			}
		}
	}
}
