package ollama

import "net/http"

// login adds a user and password (HTTP basic authentication) to the requests for one host. A redirect to another one
// does not take them along.
type login struct {
	host, user, password string
	next                 http.RoundTripper
}

// RoundTrip sends the request.
func (l *login) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == l.host {
		r = r.Clone(r.Context()) // a RoundTripper must not change what it is given
		r.SetBasicAuth(l.user, l.password)
	}
	return l.next.RoundTrip(r)
}

// CloseIdleConnections closes those of the transport below; http.Client asks for it by this name.
func (l *login) CloseIdleConnections() {
	if t, ok := l.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}
