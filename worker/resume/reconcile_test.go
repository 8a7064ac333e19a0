package resume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"fluxworker/worker/outcome"
)

// A signal during the reading of other files gives ErrStopped.
func TestSignalWhileOtherFilesAreRead(t *testing.T) {
	t.Parallel()
	other := filepath.Join(t.TempDir(), "other.jsonl")
	if err := os.WriteFile(other, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := &Earlier{config: Config{ResumeFrom: []string{other}}, log: zerolog.Nop()}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.readElsewhere(over); !errors.Is(err, outcome.ErrStopped) {
		t.Errorf("got %v, want ErrStopped", err)
	}
}
