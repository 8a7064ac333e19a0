package worker

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// An input that changes between the passes is no longer the one whose rows wait.
func TestInputChangesBetweenPasses(t *testing.T) {
	t.Parallel()
	r := &run{Config: fitConfig(t, sized(3))}
	in, err := openInput(t.Context(), r.Input, r.readerOptions(r.shard))
	if err != nil {
		t.Fatal(err)
	}
	in.source.Close()
	r.manifest = r.Config.manifest(time.Now(), in)
	w := newWaiting("")
	row := prompt.Row{Index: 2}
	if err := w.add(&row, 600); err != nil {
		t.Fatal(err)
	}
	var got []string
	take := func(row prompt.Row) error { got = append(got, row.CustomID); return nil }
	if err := r.eachWaiting(t.Context(), w, take); err != nil || !reflect.DeepEqual(got, []string{"longer-than-it-seems"}) {
		t.Fatalf("rows %v, %v", got, err)
	}
	if err := os.WriteFile(r.Input, jsonl(sized(4)), 0o600); err != nil {
		t.Fatal(err)
	}
	var input *InputError
	if err := r.eachWaiting(t.Context(), w, take); !errors.As(err, &input) || !strings.Contains(err.Error(), r.Input) {
		t.Errorf("got %v, want an InputError that names the input", err)
	}
}

// A row that waited may be none any more when it is read again, as when a file with an image that it names has gone. It gets
// its error line and is not asked.
func TestARowThatIsNoneAfterItsWait(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 1)
	addRow(t, c, `{"custom_id":"gone","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"gone.png"}}]}]}`)
	paths, err := result.PathsOf(c.Output, result.Shard{})
	if err != nil {
		t.Fatal(err)
	}
	r := &run{Config: c, log: zerolog.Nop(), counts: new(Counts), paths: paths}
	in, err := openInput(t.Context(), r.Input, r.readerOptions(r.shard))
	if err != nil {
		t.Fatal(err)
	}
	in.source.Close()
	r.manifest = r.Config.manifest(time.Now(), in)
	if err := r.openOutput(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := newWaiting("")
	row := prompt.Row{Index: 1}
	if err := w.add(&row, 600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // once more where no server holds the context that the rows need
		if err = r.eachWaiting(t.Context(), w, func(row prompt.Row) error { t.Errorf("row %q is asked", row.CustomID); return nil }); err != nil {
			break
		}
	}
	if closeErr := r.output.Close(); err != nil || closeErr != nil {
		t.Fatal(err, closeErr)
	}
	r.output.Release()
	if n := failures(t, c); n != 1 || r.counts.asked.Load() != 1 {
		t.Errorf("%d error lines, and %d rows have come to their line; want 1", n, r.counts.asked.Load())
	}
}

// A row that was on the disk is the same as before, field by field.
func TestSpoolKeepsRows(t *testing.T) {
	t.Parallel()
	var row prompt.Row
	fill(t, reflect.ValueOf(&row).Elem())
	row.Reject = nil // such a row never waits
	plain := prompt.Row{CustomID: "<&>\u2028", Request: prompt.Request{Messages: []prompt.Message{{}}, Sampling: prompt.Sampling{Seed: new(int64)}}}
	w := newWaiting(t.TempDir())
	defer w.close()
	want := []prompt.Row{row, plain}
	var restorer prompt.Restorer
	for i := range want {
		if err := w.add(&want[i], 600); err != nil {
			t.Fatal(err)
		}
		if err := restorer.Restore(&want[i]); err != nil { // as the reader made it
			t.Fatal(err)
		}
	}
	r := new(run)
	for range 2 { // they can be read more than once
		var got []prompt.Row
		if err := r.eachWaiting(t.Context(), w, func(row prompt.Row) error { got = append(got, row); return nil }); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("read\n%+v\nwant\n%+v", got, want)
		}
	}
	var write *result.WriteError
	if err := newWaiting("/nonexistent").add(&row, 600); !errors.As(err, &write) {
		t.Errorf("got %v, want a WriteError", err)
	}
}

// fill gives every exported field a value that is not its zero.
func fill(t *testing.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.Set(reflect.ValueOf(json.RawMessage(`{"a":1}`)))
			return
		}
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(0.7)
	default:
		t.Fatalf("no value for a field of kind %s: teach it to this test, and see that the spool keeps it", v.Kind())
	}
}

// pipe is a named pipe that somebody writes data into.
func pipe(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(path, data, 0o600) }()
	t.Cleanup(func() {
		if err := <-written; err != nil {
			t.Error(err)
		}
	})
	return path
}
