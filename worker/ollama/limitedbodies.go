package ollama

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxControlBody limits the bodies of responses to requests other than rows, in bytes. The vocabulary of a large model
// has about 30 MiB.
const maxControlBody = 128 << 20

// limitedBodies limits the bodies of responses: the api package reads a body to its end. It does not limit a pull, whose
// body is a stream of short lines.
type limitedBodies struct {
	next  http.RoundTripper
	limit int64 // bytes
}

// RoundTrip sends the request.
func (l *limitedBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.next.RoundTrip(r)
	if err == nil && !strings.HasSuffix(r.URL.Path, "/api/pull") {
		answer.Body = &limitedBody{ReadCloser: answer.Body, path: r.URL.Path, limit: l.limit, left: l.limit}
	}
	return answer, err
}

type limitedBody struct {
	io.ReadCloser
	path        string
	limit, left int64 // bytes
}

// Read reads from the body.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer to %s has more than %d MiB", b.path, b.limit>>20)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
