package ollama

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A user and password in --ollama-url log in at every endpoint, but nowhere else, and are in no error.
func TestLogin(t *testing.T) {
	wantLogin := func(r *http.Request, user, password string) {
		t.Helper()
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			t.Errorf("%s %s came with user %q and password %q, want %q and %q", r.Method, r.URL, u, p, user, password)
		}
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wantLogin(r, "", "")
		w.Write([]byte(complete))
	}))
	defer elsewhere.Close()
	redirected := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wantLogin(r, "token", "pass word")
		switch {
		case r.URL.Path == "/api/version":
			w.Write([]byte(`{"version":"0.34.3"}`))
		case redirected:
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		default:
			w.Write([]byte(complete))
		}
	}))
	defer server.Close()
	base := strings.Replace(server.URL, "://", "://token:pass%20word@", 1)
	c, err := NewClient(base, 1, Runner{Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.WaitAnswering(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Ask(t.Context(), request()); err != nil {
			t.Fatal(err)
		}
		redirected = true
	}

	server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, waited := c.WaitAnswering(ctx)
	_, asked := c.Ask(t.Context(), request())
	_, described := c.Describe(t.Context(), "bigram")
	for name, err := range map[string]error{"waited": waited, "asked": asked, "described": described} {
		if err == nil || strings.Contains(err.Error(), "token") || strings.Contains(err.Error(), "pass") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = NewClient("http:/token:pass@host", 1, Runner{Context: 512})
	if err == nil || strings.Contains(err.Error(), "token") {
		t.Errorf("a broken address: %v", err)
	}
}
