package ollama

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Without a login the client's own connections send the rows, and the query with them.
func TestQueryGoesWithRows(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path != "/v/api/chat" || r.URL.RawQuery != "api_key=k%20k" {
			t.Errorf("got %s", r.URL)
		}
		io.WriteString(w, complete)
	}))
	defer server.Close()
	c, err := NewClient(server.URL+"/v/?api_key=k%20k", 1, Runner{Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Ask(t.Context(), request()); err != nil {
		t.Error(err)
	}
}
