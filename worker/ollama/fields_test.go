package ollama

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"fluxworker/worker/prompt"
)

// With -update the files get what the program does now, to be read before they are kept.
var update = flag.Bool("update", false, "write testdata/fields anew")

// Each file has a row with a field, the native request that it becomes, a native answer, and the body of the line that
// the answer becomes.
func TestFieldsBothWays(t *testing.T) {
	files, err := filepath.Glob("testdata/fields/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sections := make(map[string][]byte)
			for _, f := range archive.Files {
				sections[f.Name] = bytes.TrimSpace(f.Data)
			}
			request, line := bothWays(t, sections["row"], sections["answer"])
			if *update {
				all := &txtar.Archive{}
				for _, f := range []txtar.File{{Name: "row", Data: sections["row"]}, {Name: "request", Data: request}, {Name: "answer", Data: sections["answer"]}, {Name: "line", Data: line}} {
					f.Data = append(f.Data, '\n')
					all.Files = append(all.Files, f)
				}
				if err := os.WriteFile(file, txtar.Format(all), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			for name, got := range map[string][]byte{"request": request, "line": line} {
				if !bytes.Equal(got, sections[name]) {
					t.Errorf("the %s is\n%s\nwant\n%s", name, got, sections[name])
				}
			}
		})
	}
}

// bothWays asks a row of a server that gives a prepared answer. The request has its path before it; both have their fields
// in the alphabet's order.
func bothWays(t *testing.T, row, answer []byte) (request, line []byte) {
	t.Helper()
	defaults := prompt.Defaults{Model: "m", Sampling: prompt.Sampling{MaxTokens: 100, Temperature: 0.75, TopP: 1}}
	r, err := prompt.NewReader(bytes.NewReader(row), prompt.Options{Format: prompt.JSONL, Defaults: defaults}).Next()
	if err != nil || r.Reject != nil {
		t.Fatalf("%v, %+v", err, r.Reject)
	}
	var sent []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/api/show" {
			io.WriteString(w, `{"capabilities":["completion","vision"]}`)
			return
		}
		body, _ := io.ReadAll(req.Body)
		sent = append([]byte(req.URL.Path+" "), sorted(t, body)...)
		w.Write(answer)
	}))
	defer server.Close()
	c, err := NewClient(server.URL, 1, Runner{Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var answers []*Answer
	for range r.Request.Answers() {
		a, err := c.Ask(t.Context(), r.Request)
		if err == nil {
			err = a.Check(&r.Request)
		}
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	line, err = json.Marshal(Body(r, answers))
	if err != nil {
		t.Fatal(err)
	}
	return sent, sorted(t, line)
}

// sorted spells JSON so that two spellings of the same are equal. Numbers stay as they are written.
func sorted(t *testing.T, data []byte) []byte {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	out := new(bytes.Buffer)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if err := e.Encode(tree); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(out.Bytes())
}

// A server makes the properties in the order in which the schema has them, so it has to arrive as it is.
func TestSchemasKeepTheirOrder(t *testing.T) {
	const schema = `{"type":"object","properties":{"b":{"const":"<&>"},"a":{"type":"integer"}}}`
	r := request()
	r.Structure = &prompt.Structure{Schema: json.RawMessage(schema)}
	data, err := appendRequest(nil, new(Client).chat(&r))
	if err != nil || !bytes.Contains(data, []byte(`"format":`+schema)) {
		t.Errorf("sent %s, %v", data, err)
	}
}

// An answer that nests deeper than the stack may grow is no answer.
func TestDeepVectors(t *testing.T) {
	const deep = 20_000
	r := prompt.Request{Endpoint: prompt.Embeddings, Model: "bigram", Embedding: &prompt.Embedding{Input: []string{"x"}}}
	_, _, err := ask(t, r, 200, `{"embeddings":[[1]],"more":`+strings.Repeat("[", deep)+strings.Repeat("]", deep)+`}`)
	if _, ok := errors.AsType[*UnavailableError](err); !ok {
		t.Errorf("got %v, want an UnavailableError", err)
	}
}
