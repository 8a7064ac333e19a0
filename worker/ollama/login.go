package ollama

import "net/http"

// login adds a user and password (HTTP basic authentication) to the requests for one host. A redirect to another host
// does not get them.
type login struct {
	host, user, password string
	next                 http.RoundTripper
}

// RoundTrip adds the login and sends the request.
func (l *login) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == l.host {
		r = r.Clone(r.Context()) // a RoundTripper must not modify its argument
		r.SetBasicAuth(l.user, l.password)
	}
	return l.next.RoundTrip(r)
}

// CloseIdleConnections closes the idle connections of the next transport. http.Client finds this method by its name.
func (l *login) CloseIdleConnections() {
	if t, ok := l.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}
