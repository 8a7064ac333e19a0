package engines

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"fluxworker/modelcfg"
	"fluxworker/test/harness"
)

var update = flag.Bool("update", false, "write docs/tested-models.md anew")

const modelsDoc = "../../docs/tested-models.md"

const modelsHeader = `# Tested models

` + "`go test ./test/engines -run TestModelsAreDocumented -update`" + ` writes this page from the catalog and the list of test models. A test
compares the page with them. Tests cannot download the models of the list. So "make engine" (test/engine/o/mkgguf) makes a test model
for each architecture, with the same tensors and metadata, but of half a megabyte to eleven, and with weights for which the right answer
to every prompt is known. A test model runs through the same binary, servers and engines. It cannot show how well and how fast a real
model answers.

"old" is Ollama v0.24.0, which contains its engines; "new" is v0.34.3 with a llama-server.

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
	t.Parallel()
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
	old, latest := harness.Generation{Name: "old"}, harness.Generation{Name: "new"}
	for _, m := range tinies {
		images := ""
		if m.sees {
			images = "yes"
		}
		fmt.Fprintf(&doc, "| %s | %s | %s | %s | %s | %s |\n", m.name, m.architecture, m.built, images, m.runs(old), m.runs(latest))
	}
	doc.WriteString(todaysHeader)
	for _, m := range todays {
		fmt.Fprintf(&doc, "| %s | %s | %s | %d | %s | %s |\n", m.name, m.architecture, m.built, cmp.Or(m.context, defaultContext), m.runs(old), m.runs(latest))
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

// runs says how a generation runs the model, or in the generation's words why it does not.
func (m tiny) runs(g harness.Generation) string {
	switch {
	case !m.loads(g):
		return "no: \"" + m.notNew + "\""
	case g.Name == "new":
		return "yes"
	case m.oldOwn:
		return "its own engine"
	}
	return "its llama.cpp"
}

const todaysHeader = `
## Families of today

Popular models of today have further architectures. A test model of each is loaded and answers rows, and its cache, with its windows and
its recurrent state, is as large as planned to 1 % (TestArchitectures; the log of the old generation's own engine has only the sum, to 0.1
MiB). The context is above each window.

| test model | architecture | built like | context | old | new |
|---|---|---|---|---|---|
`

const ablesHeader = `
Further test models cover abilities that only some models have. Both generations run them:

| test model | architecture | what it does | shown by |
|---|---|---|---|
`

const modelsRemarks = `
The tests found:

* **Llama 3.2 Vision goes blind.** The old generation's engine applies a function in place to weights that say how much an
  image counts, once for each token (tanh on the gates of the cross-attention; in v0.17.4 and v0.24.0). A weight of 1 is 0.12
  after 100 tokens and 0.04 after 1000. So the images count less and less until the server is restarted: after about 60 tokens the
  test model answers as if there was no image. A run logs a warning; TestLlamaVision shows the effect. The new generation has no
  engine for this model. Gemma 3 sees on both generations.
* Ollama's library has Gemma 3 with the projector in the model's own file. On the new generation such a file needs the llama-server
  that Ollama ships, which has a patch for it. The tests use Debian's llama-server, which lacks the patch and would also refuse the
  file because it has more embeddings than its tokenizer has words. So the tests do not cover this form on the new generation; the
  test model with a projector in a file of its own replaces it there.
* With a template of Ollama's own kind, both generations find calls in the text of a model, constrain nothing (so fluxworker checks a
  strict tool's arguments afterwards), and silently drop a call that they cannot read (TestToolsOnEngines). With a template in the
  model's file, the new generation constrains a call to the tools of the row and their schemas during generation, and fails with 500
  if the call was truncated. This 500 is an error of the answer, not of the server (TestToolsOfAFile).
* If a model thinks and has a response format, both generations ask it twice, for the thought and for the answer, each time with the
  row's limit of tokens. The old generation reports only the tokens of the second request, whose prompt includes the thought
  (TestThinkingOnEngines). Both report the probabilities of the thought's tokens and of the answer's in one list.
* The vectors of the two generations differ in their last bits. Within one generation every client gets the same vectors.
* Each engine allocates the planned cache to 1 % (TestArchitectures). Only Llama 3.2 Vision has less than planned: the plan has room
  for the largest image.
* For a hybrid model, such as Granite 4, the llama.cpp of the old generation gives each slot the context of all slots: four slots
  need sixteen times the cache of one. The plan includes this. The new generation gives each slot its own context.
* The old generation's own engine fails to load the test models with a gated delta net (Qwen 3.5, Qwen3-Next) with a ubatch of 2048
  tokens ("GGML_ASSERT(obj_new) failed"). So the plan takes at most 1024 there; "--ubatch 2048" still asks for 2048.
* Ollama's library has names of its own for some architectures (gptoss, glm4moelite, olmo3, qwen25vl). The llama-server that Ollama ships knows
  them; Debian's, which the tests use, does not. Test models with llama.cpp's names stand for them on the new generation.
* For gemma4 and nemotron_h both generations write the prompt by a renderer of their own, whatever the template of the model is. So
  these test models answer what follows the renderer's last character.
`
