package resume

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/lease"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// A document never stands beside lines that it does not show: it is removed before the lines are dropped, so that a kill
// between the two leaves no document of old answers.
func TestDocumentGoesBeforeItsLines(t *testing.T) {
	t.Parallel()
	paths, err := result.PathsOf(filepath.Join(t.TempDir(), "out.json"), result.Shard{})
	if err != nil {
		t.Fatal(err)
	}
	open := func() *result.Log {
		output, err := result.Open(t.Context(), result.Options{Paths: paths, Self: lease.Self("", 0), SyncEvery: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return output
	}
	closeLog := func(output *result.Log) {
		if err := output.Close(); err != nil {
			t.Fatal(err)
		}
		output.Release()
	}
	output := open()
	if err := output.Append(prompt.Row{Key: prompt.Key{1}, CustomID: "a", Line: 1}, nil, &result.Failure{Code: "c", Message: "m", Line: 1}); err != nil {
		t.Fatal(err)
	}
	closeLog(output)
	if err := os.WriteFile(paths.Document, []byte("{\"results\":[\n{\"input\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	output = open()
	defer closeLog(output)
	e := &Earlier{config: Config{Paths: paths}, log: zerolog.Nop(), output: output, done: output.Done()}
	killed, kill := context.WithCancel(t.Context())
	kill()
	if err := e.drop(killed, func(bool) bool { return true }, ""); err == nil {
		t.Fatal("the lines were dropped although the context had ended")
	}
	if _, failed := e.done.Lines(); failed != 1 {
		t.Errorf("%d lines are left, want 1", failed)
	}
	if _, err := os.Stat(paths.Document); !os.IsNotExist(err) {
		t.Errorf("the document: %v, want none", err)
	}
}
