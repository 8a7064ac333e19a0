package ollama

import (
	"errors"
	"fmt"
	"net/http"
)

// ErrRedirected means that the server sent a redirect that the client does not follow.
var ErrRedirected = errors.New("the server redirects to another server")

// stayHere refuses redirects to another server: the prompts go only to the server that the user named.
type stayHere struct{ next http.RoundTripper }

// RoundTrip sends the request. A redirect to another server is an error. An http.Client cannot refuse it in CheckRedirect
// without the whole new address in its error, which may hold a secret.
func (s *stayHere) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := s.next.RoundTrip(r)
	if err != nil || answer.StatusCode/100 != 3 {
		return answer, err
	}
	to, err := answer.Location()
	switch {
	case errors.Is(err, http.ErrNoLocation):
		return answer, nil
	case err != nil:
		err = errors.New("the server sent a redirect without a valid address")
	case to.Scheme == r.URL.Scheme && to.Host == r.URL.Host:
		return answer, nil
	default:
		err = fmt.Errorf("%w, %s://%s, which gets no prompts; if you trust that server, give the run its address instead", ErrRedirected, to.Scheme, to.Host)
	}
	answer.Body.Close()
	return nil, err
}

// CloseIdleConnections closes the idle connections of the next transport. http.Client finds this method by its name.
func (s *stayHere) CloseIdleConnections() { closeIdle(s.next) }

func closeIdle(t http.RoundTripper) {
	if t, ok := t.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}
