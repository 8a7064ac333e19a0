package engines

import (
	"testing"

	"fluxworker/test/harness"
)

// Every name under which Ollama finds a model is a name for --model.
func TestModelNames(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		for _, name := range []string{"Bigram:LATEST", "library/bigram"} {
			t.Run(name, func(t *testing.T) {
				j := g.NewJob(t, "--model", name)
				j.WriteRows(3)
				j.Run(0)
				j.CheckRows(3)
			})
		}
	})
}
