package result

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/worker/prompt"
)

// lineOf is a line as the log writes it, with the row's name and nothing else that matters.
func lineOf(t testing.TB, name, request byte) string {
	t.Helper()
	r := row(name, request)
	data, err := Line{ID: r.Key.String(), CustomID: r.CustomID, Response: answered("x")}.encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestOpenRepairs(t *testing.T) {
	a, b := lineOf(t, 1, 1), lineOf(t, 2, 2)
	zeros := strings.Repeat("\x00", 512)
	tests := []struct {
		name    string
		content string
		keep    string // what is left after Open
		aside   string // what was moved away
		rows    int64
	}{
		{"empty", "", "", "", 0},
		{"whole", a, a, "", 1},
		{"torn tail", a + b[:40], a, "", 1},
		{"whole line without newline", a + b[:len(b)-1], a, "", 1},
		{"only a torn line", a[:40], "", "", 0},
		{"zero block at the end", a + zeros, a, "", 1},
		{"long line", strings.Replace(a, `"r1"`, `"`+strings.Repeat("a", 3<<20)+`"`, 1), strings.Replace(a, `"r1"`, `"`+strings.Repeat("a", 3<<20)+`"`, 1), "", 1},
		{"garbage in the middle", a + "garbage\n" + b, a + b, "garbage\n", 2},
		{"zero block in the middle", a + zeros + b[100:] + lineOf(t, 3, 3), a + lineOf(t, 3, 3), zeros + b[100:], 2},
		{"zeros inside a line", a + b[:60] + zeros + b[60:], a, b[:60] + zeros + b[60:], 1},
		{"only a damaged line", a[:50] + "\x00\n", "", a[:50] + "\x00\n", 0},
		{"id of another shape", a + strings.Replace(b, "batch_req_02", "batch_req_zz", 1), a, strings.Replace(b, "batch_req_02", "batch_req_zz", 1), 1},
		{"half a line that got its newline", a + b[:80] + "\n", a, b[:80] + "\n", 1},
		{"a row twice", a + b + a, a + b, a, 2},
		{"a row twice with other requests", a + lineOf(t, 1, 7), a, lineOf(t, 1, 7), 1},
		{"somebody's remark at the end", a + "see my notes", a, "see my notes\n", 1},
		{"written again by a tool", strings.ReplaceAll(a, `":`, `": `), strings.ReplaceAll(a, `":`, `": `), "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := paths(t)
			put(t, p.Results, tt.content)
			l, d := open(t, p)
			if d.Len() != tt.rows {
				t.Errorf("%d rows, want %d", d.Len(), tt.rows)
			}
			// What follows goes behind the last whole line.
			if err := l.Append(row(9, 9), answered("z"), nil); err != nil {
				t.Fatal(err)
			}
			closeLog(t, l)
			got := get(t, p.Results)
			if rest, ok := strings.CutPrefix(got, tt.keep); !ok || !strings.HasPrefix(rest, `{"id":"batch_req_09`) {
				t.Errorf("file after the repair:\n%.300q", got)
			}
			if got := get(t, p.In("damaged.jsonl")); got != tt.aside {
				t.Errorf("set aside %.300q, want %.300q", got, tt.aside)
			}
			if repaired := len(l.Repairs()) > 0; repaired != (tt.keep != tt.content) {
				t.Errorf("repairs %+v", l.Repairs())
			}
			// And once more nothing is left to mend.
			l, d = open(t, p)
			if len(l.Repairs()) > 0 || d.Len() != tt.rows+1 {
				t.Errorf("a second Open mends %+v and finds %d rows", l.Repairs(), d.Len())
			}
			closeLog(t, l)
		})
	}
}

// A row that has an answer and, by a run that was taken for dead and was not, a failure, too, keeps the answer.
func TestAnAnswerWinsOverAFailure(t *testing.T) {
	p := paths(t)
	put(t, p.Results, lineOf(t, 1, 1))
	put(t, p.Errors, lineOf(t, 2, 2)+lineOf(t, 1, 1))
	l, d := open(t, p)
	defer closeLog(t, l)
	if d.State(row(1, 1).Key) != Answered || get(t, p.Errors) != lineOf(t, 2, 2) || get(t, p.Results) != lineOf(t, 1, 1) {
		t.Errorf("state %d, errors %q", d.State(row(1, 1).Key), get(t, p.Errors))
	}
}

// A file without a result line may be a user's own, and Open does not change it.
func TestOpenRefusesForeignFiles(t *testing.T) {
	for name, content := range map[string]string{
		"notes":           "my precious notes",
		"lines of notes":  "my\nprecious\nnotes\n",
		"another's JSONL": `{"hello":1}` + "\n" + `{"hello":2}` + "\n",
		"another's id":    `{"id":"x"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := paths(t)
			put(t, p.Results, content)
			_, err := Open(t.Context(), options(p))
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || corrupt.Line != 1 || corrupt.Path != p.Results {
				t.Errorf("got %v, want a CorruptError of line 1", err)
			}
			if get(t, p.Results) != content {
				t.Error("the file was changed")
			}
		})
	}
}

func TestEditDropsLines(t *testing.T) {
	p := paths(t)
	put(t, p.Results, lineOf(t, 1, 1)+lineOf(t, 2, 2)+lineOf(t, 3, 3))
	put(t, p.Errors, lineOf(t, 4, 4)+lineOf(t, 5, 5))
	l, d := open(t, p)
	same := d.NewRowSet()
	same.Add(row(1, 1).Key)
	same.Add(row(5, 5).Key)
	same.Add(row(6, 6).Key) // has no line
	if _, err := l.Edit(t.Context(), func(k prompt.Key, _ bool) Edit { return Edit{Drop: !same.Has(k)} }); err != nil || d.Len() != 2 {
		t.Fatalf("%d left, %v; want 2", d.Len(), err)
	}
	for k, want := range map[prompt.Key]State{row(1, 1).Key: Answered, row(2, 2).Key: New, row(4, 4).Key: New, row(5, 5).Key: Failed} {
		if got := d.State(k); got != want {
			t.Errorf("state of %s is %d, want %d", k, got, want)
		}
	}
	if err := l.Append(row(2, 8), answered("x"), nil); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	if got := get(t, p.Results); got != lineOf(t, 1, 1)+lineOf(t, 2, 8) {
		t.Errorf("results:\n%s", got)
	}
	if got := get(t, p.Errors); got != lineOf(t, 5, 5) {
		t.Errorf("errors:\n%s", got)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(p.Results), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// put writes a file of the output as an earlier run might have left it.
func put(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// get reads a file; one that is not there is empty.
func get(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

// FuzzOpen opens whatever a results file may hold. It must come to an end, mend for good, and never lose a good line.
func FuzzOpen(f *testing.F) {
	good := lineOf(f, 1, 1)
	f.Add([]byte(good+lineOf(f, 2, 2)[:40]), []byte(""))
	f.Add([]byte(good+"\x00\x00\n"+lineOf(f, 2, 2)), []byte(good))
	f.Add([]byte("\n\n"+good), []byte("{}\n"))
	f.Add([]byte(strings.Replace(good, ":", " : ", 1)), []byte(`{"id":"batch_req_`))
	f.Fuzz(func(t *testing.T, results, failed []byte) {
		p := paths(t)
		disk := newMemoryDisk() // the real one syncs, which takes longest
		disk.names[p.Results] = &inode{data: []byte(good + string(results))}
		disk.names[p.Errors] = &inode{data: failed}
		o := options(p)
		o.disk = disk
		l, err := Open(t.Context(), o)
		var corrupt *CorruptError
		if errors.As(err, &corrupt) {
			if got := disk.names[p.Errors].data; !bytes.Equal(got, failed) || corrupt.Path != p.Errors {
				t.Fatalf("%v, and the errors are %q", err, got)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		n := l.Done().Len()
		if l.Done().State(row(1, 1).Key) != Answered {
			t.Error("a good line was lost")
		}
		closeLog(t, l)
		lines := bytes.Count(disk.names[p.Results].data, []byte("\n")) + bytes.Count(disk.names[p.Errors].data, []byte("\n"))
		if int64(lines) != n {
			t.Errorf("%d lines for %d rows", lines, n)
		}
		l, err = Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Repairs()) > 0 || l.Done().Len() != n {
			t.Errorf("a second Open mends %+v and finds %d rows, not %d", l.Repairs(), l.Done().Len(), n)
		}
		closeLog(t, l)
	})
}
