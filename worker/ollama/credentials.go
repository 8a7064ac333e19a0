package ollama

import (
	"net/http"
	"net/url"
)

// credentials adds to each request the parts of the server's address that may be secret, user and password (HTTP basic
// authentication) and the query, and the key. The address of the request has none of them, so no error has them.
type credentials struct {
	user  *url.Userinfo // nil without a login
	query string
	key   string // a bearer token, instead of a login; "" without one
	next  http.RoundTripper
}

// RoundTrip adds the credentials and sends the request.
func (c *credentials) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.user == nil && c.query == "" && c.key == "" {
		return c.next.RoundTrip(r)
	}
	secret := r.Clone(r.Context()) // a RoundTripper must not modify its argument
	if c.user != nil {
		password, _ := c.user.Password()
		secret.SetBasicAuth(c.user.Username(), password)
	}
	if c.key != "" {
		secret.Header.Set("Authorization", c.bearer())
	}
	if c.query != "" {
		secret.URL.RawQuery = c.query
	}
	answer, err := c.next.RoundTrip(secret)
	if err == nil {
		answer.Request = r // http.Client prints its address in errors
	}
	return answer, err
}

// bearer returns the value of the header Authorization for the key.
func (c *credentials) bearer() string { return "Bearer " + c.key }

// CloseIdleConnections closes the idle connections of the next transport. http.Client finds this method by its name.
func (c *credentials) CloseIdleConnections() { closeIdle(c.next) }

// public returns an address without the parts that may be secret: user, password, query and fragment.
func public(u *url.URL) *url.URL {
	p := *u
	p.User, p.RawQuery, p.ForceQuery, p.Fragment, p.RawFragment = nil, "", false, "", ""
	return &p
}

// PublicAddress returns the address of a server without the parts that may be secret: user, password, query and fragment.
func PublicAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "(no address)"
	}
	return public(u).String()
}
