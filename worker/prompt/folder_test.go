package prompt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// folderOf makes a folder of files.
func folderOf(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		writeBelow(t, dir, name, content)
	}
	return dir
}

func writeBelow(t testing.TB, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func openSource(t testing.TB, path string) *Source {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// filesOf reads all rows of a folder.
func filesOf(t *testing.T, dir string, o Options) []Row {
	t.Helper()
	o.Defaults = testDefaults()
	r := rowsOf(t, openSource(t, dir), o)
	var rows []Row
	for {
		row, err := r.Next()
		if err == io.EOF {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
}

func TestFolderOfTexts(t *testing.T) {
	dir := folderOf(t, map[string]string{
		"b.txt": "b\n\n", "B.TXT": "\ufeffB\r\n", "a/c.md": "two\n\nlines \n", "a.txt": "a", "a-c.txt": "-", "a/d/e/f.txt": "f", "é.md": "e",
		".hidden.txt": "no", ".git/x.txt": "no", "a/.x.md": "no", "table.csv": "no", "a/none": "no", "a.txt.gz": "no",
	})
	var got []string
	for i, row := range filesOf(t, dir, Options{}) {
		if row.Index != int64(i) || row.Line != int64(i+1) || row.Reject != nil {
			t.Errorf("row %d is %+v", i, row)
			continue
		}
		got = append(got, row.CustomID+"="+row.Request.Messages[0].Content)
	}
	want := []string{"B.TXT=B", "a-c.txt=-", "a.txt=a", "a/c.md=two\n\nlines ", "a/d/e/f.txt=f", "b.txt=b", "é.md=e"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	s := openSource(t, dir)
	if n, example := s.SkippedFiles(); n != 3 || !slices.Contains([]string{"table.csv", "a/none", "a.txt.gz"}, example) {
		t.Errorf("%d files passed over, such as %s; want 3", n, example)
	}
	r := rowsOf(t, s, Options{Defaults: testDefaults(), Layout: Layout{PromptTemplate: "{{.name}}: {{.text}}"}})
	if row, err := r.Next(); err != nil || row.Request.Messages[0].Content != "B.TXT: B" {
		t.Errorf("%v, %v", row, err)
	}
	if s.Size() != 7 || s.Offset() != 1 || r.Buffered() != 0 {
		t.Errorf("size %d, offset %d, buffered %d; want 7 files and 1", s.Size(), s.Offset(), r.Buffered())
	}
}

func TestFolderOfImages(t *testing.T) {
	dir := folderOf(t, map[string]string{"a.png": png, "b/c.JPEG": jpg, "d.webp": "text", "e.jpg": "", "f.gif": "GIF89a"})
	rows := filesOf(t, dir, Options{Layout: Layout{PromptTemplate: "What is {{.name}}?"}})
	if len(rows) != 4 {
		t.Fatalf("%d rows, want 4", len(rows))
	}
	for i, want := range []Message{
		{Role: roleUser, Content: "What is a.png?", Images: [][]byte{[]byte(png)}}, {Role: roleUser, Content: "What is b/c.JPEG?", Images: [][]byte{[]byte(jpg)}},
	} {
		if rows[i].Reject != nil || !reflect.DeepEqual(rows[i].Request.Messages, []Message{want}) {
			t.Errorf("got %+v, %v", rows[i].Request.Messages, rows[i].Reject)
		}
	}
	for i, want := range []string{`the file "d.webp" is not a supported image; only PNG`, `the file "e.jpg" is not an image: it is empty`} {
		if r := rows[2+i].Reject; r == nil || r.Code != CodeInvalidValue || !strings.Contains(r.Message, want) {
			t.Errorf("got %v, want %s", r, want)
		}
	}
	// The same as in JSONL.
	line := `{"custom_id":"a.png","messages":[{"role":"user","content":[{"type":"image_url","image_url":"` + pngURL(png) + `"},{"type":"text","text":"What is a.png?"}]}]}`
	if want := readAll(t, line, jsonlOptions())[0]; rows[0].Key != want.Key {
		t.Error("the same row in JSONL has another key")
	}
}

// A faulty file is an error of its row only, and a pipe does not block the reading.
func TestFilesThatCannotBeRead(t *testing.T) {
	dir := folderOf(t, map[string]string{
		"sub/../in/empty.txt": "\n", "in/good.txt": "x", "in/latin.txt": "a\xe9", "in/long.txt": strings.Repeat("x", 21), "in/at.txt": strings.Repeat("x", 20), "secret.txt": "no",
		"in/gone.txt": "x", "in/changed.txt": "x",
	})
	in := filepath.Join(dir, "in")
	for link, target := range map[string]string{"out.txt": "../secret.txt", "loop.txt": "loop.txt", "inner.txt": "good.txt", "up": "..", "up.txt": "."} {
		if err := os.Symlink(target, filepath.Join(in, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(in, "pipe.txt"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("in", link); err != nil { // the user may well name the folder by a link
		t.Fatal(err)
	}
	s := openSource(t, link)
	if err := os.Remove(filepath.Join(in, "gone.txt")); err != nil {
		t.Fatal(err)
	}
	r := rowsOf(t, s, Options{MaxRowBytes: 20, Defaults: testDefaults()})
	got := map[string]string{}
	for {
		row, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got[row.CustomID] = ""
		if row.Reject != nil {
			got[row.CustomID] = row.Reject.Code + " " + row.Reject.Message
		}
	}
	want := map[string]string{
		"good.txt": "", "inner.txt": "", "at.txt": "", "changed.txt": "",
		"empty.txt": `invalid_value the file "empty.txt" makes an empty prompt`,
		"latin.txt": `invalid_value the file "latin.txt" is not UTF-8: byte 2, 0xe9, is invalid`,
		"long.txt":  `row_too_large the file "long.txt" has 21 bytes, above the limit of 20; raise the limit with --max-row-bytes and use another --output`,
		"gone.txt":  `unreadable_file the file "gone.txt" cannot be read: no such file or directory`,
		"loop.txt":  `unreadable_file the file "loop.txt" cannot be read: too many levels of symbolic links`,
		"out.txt":   `unreadable_file the file "out.txt" cannot be read: path escapes from parent`,
		"pipe.txt":  `unreadable_file the file "pipe.txt" cannot be read: it is not a regular file`,
		"up.txt":    `unreadable_file the file "up.txt" cannot be read: it is not a regular file`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A disk that fails is no row's fault.
func TestFolderOnABrokenDisk(t *testing.T) {
	r := rowsOf(t, openSource(t, folderOf(t, map[string]string{"a.txt": "x"})), Options{Defaults: testDefaults()})
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	none := was
	none.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, err := r.Next()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err == nil || !strings.HasSuffix(err.Error(), `, file 1: read file "a.txt": too many open files`) {
		t.Errorf("got %v", err)
	}
}

// A name that is not UTF-8 cannot be written literally, and its replacement must still be unique.
func TestFilesWithOddNames(t *testing.T) {
	dir := folderOf(t, map[string]string{"a\xff.txt": "one", "a\xfe.txt": "two", `a\xff.txt`: "three", "a\n.txt": "four", "a b.txt": "five"})
	ids := map[string]string{}
	for _, row := range filesOf(t, dir, Options{}) {
		if row.Reject != nil {
			t.Error(row.Reject)
			continue
		}
		ids[row.CustomID] = row.Request.Messages[0].Content
	}
	want := map[string]string{`"a\xff.txt"`: "one", `"a\xfe.txt"`: "two", `a\xff.txt`: "three", "a\n.txt": "four", "a b.txt": "five"}
	if !reflect.DeepEqual(ids, want) {
		t.Errorf("got  %q\nwant %q", ids, want)
	}
}

func TestFolderLayouts(t *testing.T) {
	texts, images := folderOf(t, map[string]string{"a.txt": "x"}), folderOf(t, map[string]string{"a.png": png})
	for _, test := range []struct {
		dir    string
		layout Layout
		want   string
	}{
		{images, Layout{}, "is a folder of images; give the question about each image with --prompt-template"},
		{images, Layout{PromptTemplate: "{{.text}}"}, `--prompt-template: there is no "text"; for the files of ` + images + " there is .name"},
		{texts, Layout{PromptTemplate: "{{.title}}"}, `--prompt-template: there is no "title"; for the files of ` + texts + " there is .text and .name"},
		{texts, Layout{PromptColumn: "a"}, "--prompt-column is for CSV and TSV files, but " + texts + " is a folder"},
		{texts, Layout{IDColumn: "a"}, "--id-column is for CSV and TSV files, but " + texts + " is a folder"},
		{texts, Layout{MessagesColumn: "a"}, "--messages-column is for JSONL and JSON lists, but " + texts + " is a folder"},
		{texts, Layout{PromptTemplate: "Sum up {text}"}, "--prompt-template uses no column, so every row would have the same prompt; a column is {{.text}}; {text} is written {{.text}}"},
		{write(t, "in.jsonl", nil), Layout{PromptTemplate: "Sum up {title}"}, "uses no column, so every row would have the same prompt; a column is {{.text}}; {title} is written {{.title}}"},
		{write(t, "in.txt", nil), Layout{PromptTemplate: "a"}, "--prompt-template is for tables (.csv, .tsv), JSONL, JSON lists and folders, but "},
	} {
		_, err := openSource(t, test.dir).Rows(Options{Layout: test.layout, Defaults: testDefaults()})
		if _, ok := errors.AsType[*LayoutError](err); !ok || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %s", test.layout, err, test.want)
		}
	}
	both := folderOf(t, map[string]string{"x/a.txt": "x", "y/b.png": png})
	if _, err := Open(both); err == nil || !strings.Contains(err.Error(), `it holds both texts ("x/a.txt") and images ("y/b.png")`) {
		t.Errorf("got %v", err)
	}
}

// Shards and names come from the listing alone: for names no file is opened.
func TestFolderShards(t *testing.T) {
	files := map[string]string{}
	for i := range 50 {
		files[fmt.Sprintf("%d/%d.txt", i%3, i)] = fmt.Sprint(i)
	}
	dir := folderOf(t, files)
	whole := filesOf(t, dir, Options{})
	for i, row := range filesOf(t, dir, Options{Shard: 1, Shards: Shards{Count: 4}}) {
		if !reflect.DeepEqual(row, whole[1+4*i]) {
			t.Errorf("got %+v, want %+v", row, whole[1+4*i])
		}
	}
	s := openSource(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	r := rowsOf(t, s, Options{NamesOnly: true})
	for _, want := range whole {
		if row, err := r.Next(); err != nil || row.CustomID != want.CustomID || row.Key.Name() != want.Key.Name() || row.Reject != nil {
			t.Errorf("got %+v, %v, want the name of %s", row, err, want.CustomID)
		}
	}
}

// What changes in a folder shows: a file's content, a new file, one that is gone, and another name.
func TestFingerprintOfAFolder(t *testing.T) {
	dir := folderOf(t, map[string]string{"a.txt": "x", "sub/b.txt": "y"})
	old := time.Now().Add(-time.Hour)
	rest := func() Fingerprint { // as it is when nothing has happened for an hour
		for _, name := range []string{"a.txt", "sub/b.txt", "sub", "."} {
			os.Chtimes(filepath.Join(dir, name), old, old) // some are gone
		}
		return openSource(t, dir).Fingerprint()
	}
	for _, change := range []struct {
		name string
		make func() error
	}{
		{"content", func() error { return os.WriteFile(filepath.Join(dir, "sub/b.txt"), []byte("z"), 0o600) }},
		{"new file", func() error { return os.WriteFile(filepath.Join(dir, "sub/c.txt"), []byte("z"), 0o600) }},
		{"removal", func() error { return os.Remove(filepath.Join(dir, "sub/c.txt")) }},
		{"name", func() error { return os.Rename(filepath.Join(dir, "sub/b.txt"), filepath.Join(dir, "sub/d.txt")) }},
	} {
		before := rest()
		if again := openSource(t, dir).Fingerprint(); again != before {
			t.Errorf("%+v, then %+v", before, again)
		}
		if err := change.make(); err != nil {
			t.Fatal(err)
		}
		if openSource(t, dir).Fingerprint() == before {
			t.Errorf("%s is not noticed", change.name)
		}
	}
}

// A listing takes the names and little else.
func TestListingsAreSmall(t *testing.T) {
	const files = 100_000
	f := &folder{}
	before := heap()
	length := 0
	for i := range files {
		name := fmt.Sprintf("part-%d/document-%d.txt", i%10, i)
		length += len(name)
		f.add(name)
	}
	f.sort()
	if each := float64(heap()-before-int64(length)) / files; each > 12 {
		t.Errorf("a file takes %.1f bytes beside its name, want 12 at most", each)
	}
	if !slices.IsSortedFunc(f.starts, func(a, b uint64) int { return strings.Compare(string(f.at(a)), string(f.at(b))) }) {
		t.Error("not in order")
	}
	runtime.KeepAlive(f)
}
