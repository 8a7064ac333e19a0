package engines

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fluxworker/test/harness"
)

// exposing are variables that users may have set for another Ollama or llama-server: to have requests logged, to let web
// pages in, to demand a key. None may reach ours.
var exposing = []string{
	"OLLAMA_DEBUG=2", "OLLAMA_DEBUG_LOG_REQUESTS=1", "OLLAMA_ORIGINS=*", "LLAMA_API_KEY=key", "LLAMA_ARG_LOG_VERBOSITY=9", "LLAMA_LOG_VERBOSITY=9",
	"LLAMA_ARG_SLOT_SAVE_PATH=.", "LLAMA_SERVER_SLOTS_DEBUG=1", "LLAMA_ARG_CORS_ORIGINS=*",
}

// Prompts are in the results alone, whatever happens to their rows and whatever the user's environment asks for.
func TestNoPromptIsLogged(t *testing.T) {
	t.Parallel()
	const secret = "secretword"
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--log-level", "debug")
		j.Env = append(exposing, "TERM=dumb")
		j.Write(
			`{"custom_id":"short","prompt":"`+secret+` 3"}`,
			`{"custom_id":"turns","messages":[{"role":"system","content":"`+secret+`"},{"role":"user","content":"`+secret+` y"}]}`,
			`{"custom_id":"stop","prompt":"x 3","stop":["`+secret+`"]}`,
			`{"custom_id":"long","prompt":"`+strings.Repeat(secret, 100)+`3"}`,
			`{"custom_id":"bad","prompt":"`+secret+`","temperature":9}`,
			`{"custom_id":"torn","prompt":"`+secret,
			`{"custom_id":"image","messages":[{"role":"user","content":[{"type":"text","text":"`+secret+`"},{"type":"image_url","image_url":"data:image/png;base64,`+pixel+`"}]}]}`,
			`{"custom_id":"odd image","messages":[{"role":"user","content":[{"type":"image_url","image_url":"`+secret+`"}]}]}`,
		)
		j.Run(3)
		if n := len(j.Lines("results.jsonl")); n != 3 {
			t.Errorf("%d rows answered, want 3", n)
		}
		wantNowhere(j, secret)
	})
}

// wantNowhere looks for text in all that the run has left or said, but not in the input.
func wantNowhere(j *harness.Job, text string) {
	j.T.Helper()
	if strings.Contains(j.Stderr.String(), text) {
		j.T.Error("standard error tells a prompt")
	}
	files := 0
	err := filepath.WalkDir(j.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || entry.Name() == "prompts.jsonl" {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), text) {
			j.T.Errorf("%s tells a prompt", path)
		}
		files++
		return err
	})
	if err != nil || files < 4 {
		j.T.Errorf("looked into %d files, %v", files, err)
	}
}

var listening = regexp.MustCompile(`Listening on (127\.0\.0\.1:\d+)`)

// A web page that somebody on the node looks at must not reach the server, whatever the user lets into another one. (Ollama
// itself lets in pages of the same machine, http://localhost, and has no way to forbid it. An isolated server is out of
// the reach of any browser.)
func TestNoWebPageReachesTheServer(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--isolate", "never")
		j.Env = exposing
		j.WriteRows(20)
		cmd, rest := j.StartFed(10)
		j.AwaitAnswers(1)
		log, err := os.ReadFile(j.Path("results.run/server.log"))
		found := listening.FindSubmatch(log)
		if found == nil {
			t.Fatalf("the server's log names no address (%v)", err)
		}
		address := string(found[1])
		for _, origin := range []string{"http://evil.example", "https://localhost.evil.example", "null"} {
			for _, method := range []string{http.MethodGet, http.MethodOptions} {
				req, err := http.NewRequest(method, "http://"+address+"/api/version", nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Origin", origin)
				req.Header.Set("Access-Control-Request-Method", http.MethodPost)
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if allowed := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != http.StatusForbidden || allowed != "" {
					t.Errorf("%s from %s: %s, allowed origin %q; want 403", method, origin, resp.Status, allowed)
				}
			}
		}
		rest()
		j.Wait(cmd, 0)
	})
}
