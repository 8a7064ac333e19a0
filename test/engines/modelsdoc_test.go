package engines

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"fluxworker/modelcfg"
)

var update = flag.Bool("update", false, "write docs/tested-models.md anew")

const modelsDoc = "../../docs/tested-models.md"

const modelsHeader = `# Which models are tested by what

Written by ` + "`go test ./test/engines -run TestModelsAreDocumented -update`" + ` from the catalog and the list of test models, which the
test compares. No model of the list can be downloaded for a test, so each is stood for by one that "make engine" makes
(test/engine/o/mkgguf): of the same architecture and with the tensors and metadata that it demands, but of half a megabyte to
ten, and with weights that make the right answer to every prompt known. It runs through the same binary, servers and
engines. What that cannot show is how well a model answers, and how fast.

"old" is Ollama v0.24.0, whose engines are in the program; "new" is v0.34.3 with a llama-server.

## The model list

| model | Ollama tag | architecture | test model |
|---|---|---|---|
`

// standsFor is the test model that is built like a model of the catalog or, by its tag alone, of Ollama's library.
func standsFor(tag string, a modelcfg.Architecture) []string {
	switch {
	case a.Family == "gemma3" && a.Vision:
		return []string{"tiny-gemma3-whole", "tiny-gemma3-vision"}
	case a.ExpertsUsed > 0:
		return []string{"tiny-mixtral"}
	case a.Family != "" && a.Family != "llama":
		return []string{"tiny-" + a.Family}
	case strings.HasPrefix(tag, "mistral-nemo"), tag == "mistral-small:24b":
		return []string{"tiny-nemo"}
	case strings.HasPrefix(tag, "mistral"):
		return []string{"tiny-mistral"}
	case strings.HasPrefix(tag, "llama3"):
		return []string{"bigram"}
	}
	return nil
}

// The document names for each model of the list the test model behind it, and for each test model where it runs.
func TestModelsAreDocumented(t *testing.T) {
	catalog, err := modelcfg.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]tiny)
	for _, m := range tinies {
		known[m.name] = m
	}
	var doc strings.Builder
	doc.WriteString(modelsHeader)
	if n := len(catalog.Models()); n != 26 {
		t.Errorf("the catalog has %d models, the list 26", n)
	}
	for _, m := range catalog.Models() {
		if m.Tag() != "" {
			behind := standsFor(m.Tag(), m.Architecture)
			if len(behind) == 0 {
				t.Errorf("no test model stands for %s", m.Name)
			}
			for _, name := range behind {
				if known[name].architecture != m.Architecture.Family {
					t.Errorf("%s stands for %s, whose architecture is %s", name, m.Name, m.Architecture.Family)
				}
			}
			fmt.Fprintf(&doc, "| %s | %s | %s | %s |\n", m.Name, m.Tag(), m.Architecture.Family, strings.Join(behind, ", "))
			continue
		}
		var nearest []string
		for _, tag := range m.Alternatives {
			var a modelcfg.Architecture
			if other, ok := catalog.Lookup(tag); ok {
				a = other.Architecture
			}
			by := "not tested"
			if behind := standsFor(tag, a); len(behind) > 0 {
				by = strings.Join(behind, ", ")
			}
			nearest = append(nearest, fmt.Sprintf("%s (%s)", tag, by))
		}
		fmt.Fprintf(&doc, "| %s | none | | Ollama's library has no such model; nearest: %s |\n", m.Name, strings.Join(nearest, ", "))
	}
	doc.WriteString("\n## The test models\n\n| test model | architecture | built like | images | old | new |\n|---|---|---|---|---|---|\n")
	for _, m := range tinies {
		images, old, latest := "", "its llama.cpp", "yes"
		if m.sees {
			images = "yes"
		}
		if m.oldOwn {
			old = "its own engine"
		}
		if m.notNew != "" {
			latest = "no: \"" + m.notNew + "\""
		}
		fmt.Fprintf(&doc, "| %s | %s | %s | %s | %s | %s |\n", m.name, m.architecture, m.built, images, old, latest)
	}
	doc.WriteString(ablesHeader)
	for _, m := range ables {
		fmt.Fprintf(&doc, "| %s | %s | %s | %s |\n", m.name, m.architecture, m.does, m.test)
	}
	doc.WriteString(modelsRemarks)
	if *update {
		if err := os.WriteFile(modelsDoc, []byte(doc.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(modelsDoc)
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != doc.String() {
		t.Errorf("%s is out of date; look at the difference after go test ./test/engines -run TestModelsAreDocumented -update", modelsDoc)
	}
}

const ablesHeader = `
Beside these there is one for each of the things that not every model can do. Both generations run them:

| test model | architecture | what it does | shown by |
|---|---|---|---|
`

const modelsRemarks = `
What was found on the way:

* **Llama 3.2 Vision goes blind.** The old generation's engine applies a function in place to weights that say how much an
  image counts, once for each token (tanh on the gates of the cross-attention; v0.17.4 and v0.24.0 alike). A weight of 1 is
  0.12 after 100 tokens and 0.04 after 1000, and so rows are answered from less and less of their images until the server is
  started again: the test model answers as if there was no image after some 60. A run warns of it; TestLlamaVision shows it.
  The new generation has no engine for this model. Gemma 3 sees on both.
* A projector in the model's own file, as Ollama's library has Gemma 3, wants on the new generation the llama-server that
  Ollama ships: that has a patch for such files. The tests' llama-server is Debian's, which does not have it, and would refuse
  our file for another reason, too: it has more embeddings than its tokenizer has words. So this form is not tested on the new
  generation; the test model with a projector in a file of its own stands for it there.
* With a template of Ollama's own kind both generations find calls in what a model says, hold them to nothing (so a strict
  tool's arguments are checked afterwards), and drop what they cannot read as a call, without a word (TestToolsOnEngines). The
  new generation with a template in the model's file holds a call to the tools that the row has and to their schemas while it
  is written, and fails with 500 where one was cut off, which is the answer's fault and not the server's (TestToolsOfAFile).
* A model that thinks and is held to a form is asked twice by both, for the thought and for the answer behind it, each with
  the row's limit of tokens. The old generation tells the tokens of the second request alone, whose prompt has the thought in
  it (TestThinkingOnEngines). Both tell the probabilities of a thought's tokens in one list with the answer's.
* The vectors of the two generations differ in their last bits; those of one are the same for whoever asks.
* The cache that an engine allocates is what was planned wherever llama.cpp runs the model, and at most a tenth less for
  Gemma 3 in the old generation's own engine (TestArchitectures).
`
