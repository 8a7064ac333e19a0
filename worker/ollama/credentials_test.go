package ollama

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// User, password and query of --ollama-url go with every request, but nowhere else, and are in no error.
func TestCredentials(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s came to another server", r.Method, r.URL)
	}))
	defer elsewhere.Close()
	redirected := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != "token" || p != "pass word" || r.URL.RawQuery != "api_key=hidden&x" {
			t.Errorf("%s %s came with user %q and password %q", r.Method, r.URL, u, p)
		}
		switch {
		case redirected:
			http.Redirect(w, r, elsewhere.URL+"/moved", http.StatusTemporaryRedirect)
		case r.URL.Path == "/api/version":
			w.Write([]byte(`{"version":"0.34.3"}`))
		default:
			w.Write([]byte(complete))
		}
	}))
	defer server.Close()
	base := strings.Replace(server.URL, "://", "://token:pass%20word@", 1) + "?api_key=hidden&x#part"
	c, err := NewClient(base, 1, Runner{Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.WaitAnswering(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ask(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, waited := c.WaitAnswering(ctx)
		_, asked := c.Ask(t.Context(), request())
		_, described := c.Describe(t.Context(), "bigram")
		for name, err := range map[string]error{"waited": waited, "asked": asked, "described": described} {
			if err == nil {
				t.Errorf("%s, %s: no error", when, name)
				continue
			}
			for _, secret := range []string{"token", "pass", "hidden", "part"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s, %s: %v", when, name, err)
				}
			}
		}
	}
	redirected = true
	check("redirected")
	server.Close()
	check("closed")
	_, err = NewClient("http:/token:pass@host", 1, Runner{Context: 512})
	if err == nil || strings.Contains(err.Error(), "token") {
		t.Errorf("a broken address: %v", err)
	}
}
