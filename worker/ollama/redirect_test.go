package ollama

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A redirect to another server is not followed, neither for a row nor for another request. The error names that server
// without its query.
func TestRedirectsToOtherServers(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s came to the other server", r.Method, r.URL)
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c, _, _ := asking(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/api/chat?key=hidden", status)
		})
		_, asked := c.Ask(t.Context(), request())
		var down *UnavailableError
		if !errors.As(asked, &down) {
			t.Errorf("%d: %v is no UnavailableError", status, asked)
		}
		_, waited := c.WaitAnswering(t.Context())
		_, described := c.Describe(t.Context(), "bigram")
		for _, err := range []error{asked, waited, described, c.Load(t.Context(), "bigram"), c.Pull(t.Context(), "bigram", nil)} {
			if err == nil || !strings.Contains(err.Error(), "redirects to another server, "+other.URL) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%d: %v", status, err)
			}
		}
	}
}
