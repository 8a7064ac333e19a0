package worker

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/fleet"
	"fluxworker/worker/record"
)

// A password in the server's address logs in, and appears neither in the log nor in an error nor in a file.
func TestRunKeepsThePasswordOfTheServer(t *testing.T) {
	t.Parallel()
	const user, password = "tokenuser", "tokenword"
	dir := t.TempDir()
	behind, err := url.Parse(runningServer(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	proxy.Transport = transport
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()

	c, _ := config(t, 20)
	c.Server = fleet.Settings{URL: strings.Replace(front.URL, "://", "://"+user+":"+password+"@", 1), LoadTimeout: time.Minute}
	var log bytes.Buffer
	run := func() (record.Summary, error) {
		return Run(t.Context(), c, zerolog.New(&log).Level(zerolog.DebugLevel), nil, new(record.Counters))
	}
	if s, err := run(); err != nil || s.OK != 20 {
		t.Errorf("summary %+v, %v", s, err)
	}
	said := map[string]string{"log": log.String()}
	c.Defaults.Model, c.Output = "other", filepath.Join(dir, "other.jsonl")
	if _, err := run(); err != nil {
		said["model missing"] = err.Error()
	}
	front.Close()
	c.Defaults.Model, c.Output, c.Server.LoadTimeout = "bigram", filepath.Join(dir, "none.jsonl"), 100*time.Millisecond
	if _, err := run(); err != nil {
		said["server gone"] = err.Error()
	}
	said["log to the end"] = log.String()
	for _, name := range []string{"manifest.json", "summary.json"} {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(c.Input), "out.run", name))
		if err != nil {
			t.Fatal(err)
		}
		said[name] = string(data)
	}
	if len(said) != 6 {
		t.Errorf("only %d things were said", len(said))
	}
	for where, text := range said {
		if strings.Contains(text, user) || strings.Contains(text, password) {
			t.Errorf("%s tells the password: %s", where, text)
		}
	}
	if !strings.Contains(said["manifest.json"], strings.TrimPrefix(front.URL, "http://")) {
		t.Errorf("the manifest does not name the server: %s", said["manifest.json"])
	}
}
