package contextfit

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"fluxworker/worker/input"
	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// newTestFit makes a Fit for an input of rows; "" is an input that can be read only once. It returns the path of the input.
func newTestFit(t *testing.T, rows string) (*Fit, string) {
	t.Helper()
	dir := t.TempDir()
	in := input.Input{Path: prompt.Stdin, MaxRowBytes: 1 << 20, Defaults: prompt.Defaults{Model: "m", Sampling: prompt.Sampling{MaxTokens: 10, TopP: 1}}}
	c := Config{Folder: dir}
	if rows != "" {
		in.Path = filepath.Join(dir, "in.jsonl")
		if err := os.WriteFile(in.Path, []byte(rows), 0o600); err != nil {
			t.Fatal(err)
		}
		source, _, err := in.Open(result.Shard{})
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		c.Found = record.InputOf(in.Path, source.Fingerprint())
	}
	c.Planner.Input = in
	return New(c, nil, new(record.Counters), zerolog.Nop()), in.Path
}

// An input that changes between the passes is no longer the input whose rows are deferred.
func TestInputChangesBetweenPasses(t *testing.T) {
	t.Parallel()
	const rows = `{"custom_id":"a","prompt":"x"}
{"custom_id":"b","prompt":"y"}
`
	f, path := newTestFit(t, rows)
	d := f.newDeferred()
	if err := d.add(&prompt.Row{Index: 1}, 600); err != nil {
		t.Fatal(err)
	}
	var got []string
	take := func(row prompt.Row) error { got = append(got, row.CustomID); return nil }
	if err := f.Each(t.Context(), d, take, take); err != nil || !reflect.DeepEqual(got, []string{"b"}) {
		t.Fatalf("rows %v, %v", got, err)
	}
	if err := os.WriteFile(path, []byte(rows+rows), 0o600); err != nil {
		t.Fatal(err)
	}
	var changed *outcome.InputError
	if err := f.Each(t.Context(), d, take, take); !errors.As(err, &changed) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an InputError that names the input", err)
	}
}

// A deferred row may be invalid when it is read again, as when its image file is gone. It is rejected once, and not asked.
func TestADeferredRowThatCannotBeAskedAnyMore(t *testing.T) {
	t.Parallel()
	f, _ := newTestFit(t, `{"custom_id":"gone","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"gone.png"}}]}]}`+"\n")
	d := f.newDeferred()
	if err := d.add(new(prompt.Row), 600); err != nil {
		t.Fatal(err)
	}
	rejected := 0
	for range 2 { // the second time as when no server holds the context that the rows need
		err := f.Each(t.Context(), d,
			func(row prompt.Row) error { t.Errorf("row %q is asked", row.CustomID); return nil },
			func(prompt.Row) error { rejected++; return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if rejected != 1 {
		t.Errorf("the row was rejected %d times, want once", rejected)
	}
}

// A row from the spool equals the row that was deferred, field by field.
func TestSpoolKeepsRows(t *testing.T) {
	t.Parallel()
	var row prompt.Row
	fill(t, reflect.ValueOf(&row).Elem())
	row.Reject = nil // a rejected row is never deferred
	plain := prompt.Row{CustomID: "<&>\u2028", Request: prompt.Request{Messages: []prompt.Message{{}}, Sampling: prompt.Sampling{Seed: new(int64)}}}
	f, _ := newTestFit(t, "")
	w := f.newDeferred()
	defer w.Close()
	want := []prompt.Row{row, plain}
	var restorer prompt.Restorer
	for i := range want {
		if err := w.add(&want[i], 600); err != nil {
			t.Fatal(err)
		}
		if err := restorer.Restore(&want[i]); err != nil { // as the reader does
			t.Fatal(err)
		}
	}
	for range 2 { // the spool can be read more than once
		var got []prompt.Row
		if err := f.Each(t.Context(), w, func(row prompt.Row) error { got = append(got, row); return nil }, nil); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("read\n%+v\nwant\n%+v", got, want)
		}
	}
	var write *result.WriteError
	f.config.Folder = "/nonexistent"
	if err := f.newDeferred().add(&row, 600); !errors.As(err, &write) {
		t.Errorf("got %v, want a WriteError", err)
	}
}

// fill gives every exported field a value that is not zero.
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
		t.Fatalf("no value for a field of kind %s: add the kind to this test, and check that the spool keeps it", v.Kind())
	}
}
