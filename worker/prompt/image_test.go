package prompt

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

// The shortest files that begin as images do.
const (
	png  = "\x89PNG\r\n\x1a\n..."
	jpg  = "\xff\xd8\xff..."
	webp = "RIFF\x0a\x00\x00\x00WEBPVP8 "
)

func base64Of(image string) string { return base64.StdEncoding.EncodeToString([]byte(image)) }

func pngURL(image string) string { return "data:image/png;base64," + base64Of(image) }

// imageRow is a row of one message that holds a text and the image at url.
func imageRow(url string) string {
	return fmt.Sprintf(`{"custom_id":"c","body":{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"%s"}}]}]}}`, url)
}

func TestImages(t *testing.T) {
	image := func(rest string) string { return `{"type":"image_url","image_url":` + rest + `}` }
	text := func(s string) string { return `{"type":"text","text":"` + s + `"}` }
	user := func(parts ...string) string { return `{"role":"user","content":[` + strings.Join(parts, ",") + `]}` }
	object := `{"url":"` + pngURL(png) + `"}`
	files := func(images ...string) (list [][]byte) {
		for _, i := range images {
			list = append(list, []byte(i))
		}
		return list
	}
	tests := []struct {
		name, messages string
		want           []Message
	}{
		{"object", user(text("a"), image(object)), []Message{{Role: roleUser, Content: "a", Images: files(png)}}},
		{"bare URL", user(text("a"), image(`"`+pngURL(png)+`"`)), []Message{{Role: roleUser, Content: "a", Images: files(png)}}},
		{"alone", user(image(object)), []Message{{Role: roleUser, Images: files(png)}}},
		{"detail", user(image(`{"url":"` + pngURL(png) + `","detail":"auto"}`)), []Message{{Role: roleUser, Images: files(png)}}},
		{"nulls", user(`{"type":"image_url","text":null,"image_url":{"url":"` + pngURL(png) + `","detail":null}}`), []Message{{Role: roleUser, Images: files(png)}}},
		{"kinds", user(image(`"data:image/jpeg;base64,`+base64Of(jpg)+`"`), image(`"data:image/jpg;base64,`+base64Of(jpg)+`"`), image(`"DATA:image/WebP;x=y;base64,`+base64Of(webp)+`"`)),
			[]Message{{Role: roleUser, Images: files(jpg, jpg, webp)}}},
		{"called otherwise", user(image(`"data:image/png;base64,` + base64Of(jpg) + `"`)), []Message{{Role: roleUser, Images: files(jpg)}}},
		{"escaped", user(image(`"data:image\/png;base64,` + strings.ReplaceAll(base64Of(png+"???"), "/", `\/`) + `\n"`)), []Message{{Role: roleUser, Images: files(png + "???")}}},
		{"in order", strings.Join([]string{user(image(`"`+pngURL(png+"1")+`"`), text("a"), image(`"`+pngURL(png+"2")+`"`), text("b")), `{"role":"assistant","content":"c"}`, user(image(`"` + pngURL(png+"3") + `"`))}, ","),
			[]Message{{Role: roleUser, Content: "a\n\nb", Images: files(png+"1", png+"2")}, {Role: roleAssistant, Content: "c"}, {Role: roleUser, Images: files(png + "3")}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			row := decodeOne(t, `{"messages":[`+test.messages+`]}`, jsonlOptions())
			if row.Reject != nil {
				t.Fatal(row.Reject)
			}
			if !reflect.DeepEqual(row.Request.Messages, test.want) {
				t.Errorf("got  %q\nwant %q", row.Request.Messages, test.want)
			}
		})
	}
}

func TestImageRejects(t *testing.T) {
	const url = "body.messages[0].content[1].image_url.url"
	for _, test := range []struct{ name, row, code, param, message string }{
		{"nothing fetched", imageRow("https://example.org/a.png"), CodeUnsupported, url, "fluxworker downloads nothing for a row, because compute nodes are offline; put the image into the row"},
		{"nothing fetched in capitals", imageRow("HTTP://example.org/a.png"), CodeUnsupported, url, "fluxworker downloads nothing"},
		{"file", imageRow("file:///etc/passwd"), CodeUnsupported, url, "is not a data: URL; for images in files, allow their folder with --image-dir"},
		{"path", imageRow("a.png"), CodeUnsupported, url, "--image-dir"},
		{"scheme", imageRow("ftp://example.org/a.png"), CodeInvalidValue, url, "is not a data: URL; put the image into the row"},
		{"empty", imageRow(""), CodeInvalidValue, url, "is empty"},
		{"no comma", imageRow("data:image/png;base64"), CodeInvalidValue, url, "without a comma"},
		{"no base64", imageRow("data:image/png,abc"), CodeInvalidValue, url, "is not in base64; use data:image/png;base64,"},
		{"bad base64", imageRow("data:image/png;base64,AAAA*AAA"), CodeInvalidValue, url, "is not valid base64: error at character 5 of 8"},
		{"cut base64", imageRow("data:image/png;base64,AAAAA"), CodeInvalidValue, url, "is not valid base64"},
		{"empty image", imageRow("data:image/png;base64,"), CodeInvalidValue, url, "it is empty"},
		{"gif", imageRow("data:image/gif;base64,R0lG"), CodeInvalidValue, url, "has the media type image/gif; only PNG, JPEG and WebP images are supported"},
		{"media type", imageRow("data:my secret;base64,R0lG"), CodeInvalidValue, url, "is a data: URL of another media type"},
		{"no image", imageRow("data:image/png;base64," + base64Of("GIF89a")), CodeInvalidValue, url, "is not a supported image; only PNG, JPEG and WebP images are supported"},
		{"detail", strings.Replace(imageRow(pngURL(png)), `"url"`, `"detail":"high","url"`, 1), CodeUnsupported,
			"body.messages[0].content[1].image_url.detail", `is "high"; the server chooses the resolution`},
		{"odd detail", strings.Replace(imageRow(pngURL(png)), `"url"`, `"detail":"my text","url"`, 1), CodeInvalidValue,
			"body.messages[0].content[1].image_url.detail", "is a string of 7 bytes"},
		{"extra", strings.Replace(imageRow(pngURL(png)), `"url"`, `"size":1,"url"`, 1), CodeUnsupported, "body.messages[0].content[1].image_url.size", "is not supported"},
		{"text in an image", strings.Replace(imageRow(pngURL(png)), `"image_url",`, `"image_url","text":"a",`, 1), CodeUnsupported, "body.messages[0].content[1].text", "is not supported"},
		{"image in a text", `{"prompt":null,"messages":[{"role":"user","content":[{"type":"text","text":"a","image_url":"x"}]}]}`, CodeUnsupported, "messages[0].content[0].image_url", ""},
		{"no url", strings.Replace(imageRow(pngURL(png)), `"url":`, `"detail":null,"url":null,"x":null,"y":`, 1), CodeUnsupported, "body.messages[0].content[1].image_url.y", ""},
		{"null url", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":null}}]}]}`, CodeMissing, "messages[0].content[0].image_url.url", "is missing"},
		{"null image", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":null}]}]}`, CodeMissing, "messages[0].content[0].image_url", "is missing"},
		{"url type", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":5}}]}]}`, CodeInvalidType, "messages[0].content[0].image_url.url", "is a number; it must be a string"},
		{"image type", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":5}]}]}`, CodeInvalidType, "messages[0].content[0].image_url", "must be an object with a url"},
		{"role", strings.Replace(imageRow(pngURL(png)), `"user"`, `"system"`, 1), CodeUnsupported, "body.messages[0].content[1]", "is an image in a message with role system"},
		{"other part", `{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]}`, CodeUnsupported, "messages[0].content[0].type", "only text and image_url parts"},
	} {
		t.Run(test.name, func(t *testing.T) { wantReject(t, test.row, jsonlOptions(), test.code, test.param, test.message) })
	}
}

func wantReject(t *testing.T, line string, o Options, code, param, message string) {
	t.Helper()
	row := decodeOne(t, line, o)
	if row.Reject == nil {
		t.Fatalf("not rejected: %q", row.Request.Messages)
	}
	if row.Reject.Code != code || row.Reject.Param != param || !strings.Contains(row.Reject.Message, message) {
		t.Errorf("got %+v\nwant code %s, param %q, message with %q", *row.Reject, code, param, message)
	}
}

// imageFolder makes a folder with images, its forbidden surroundings, and options that allow it.
func imageFolder(t *testing.T) (dir string, o Options) {
	t.Helper()
	outside := t.TempDir()
	dir = filepath.Join(outside, "images")
	for path, content := range map[string]string{"secret.png": png, "images/a.png": png, "images/sub/b c.jpg": jpg, "images/text.png": "hello", "images/empty.png": ""} {
		path = filepath.Join(outside, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"inner.png": "sub/b c.jpg", "outer.png": "../secret.png", "up": "..", "loop.png": "loop.png", "gone.png": "nothing.png"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.png"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The user may well name the folder by a link.
	link := filepath.Join(outside, "link")
	if err := os.Symlink("images", link); err != nil {
		t.Fatal(err)
	}
	folder, err := OpenImageFolder(link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.root.Close() })
	o = jsonlOptions()
	o.Defaults.ImageFiles = folder
	return dir, o
}

func TestImageFiles(t *testing.T) {
	dir, o := imageFolder(t)
	link := filepath.Join(filepath.Dir(dir), "link")
	for name, want := range map[string]string{
		"a.png": png, "./sub/../a.png": png, "sub/b c.jpg": jpg, "inner.png": jpg, dir + "/a.png": png, link + "/a.png": png,
		"file://" + dir + "/a.png": png, "file://localhost" + dir + "/sub/b%20c.jpg": jpg, "FILE://" + link + "/inner.png": jpg, pngURL(png): png,
	} {
		row := decodeOne(t, imageRow(name), o)
		if row.Reject != nil {
			t.Errorf("%s: %v", name, row.Reject)
			continue
		}
		if got := row.Request.Messages[0].Images; len(got) != 1 || string(got[0]) != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	const url = "body.messages[0].content[1].image_url.url"
	outside := filepath.Join(filepath.Dir(dir), "secret.png")
	for _, test := range []struct{ name, message string }{
		{outside, `names the file "` + outside + `", which is not below "` + link + `", the folder of --image-dir`},
		{"file://" + outside, "which is not below "},
		{"file://" + dir + "/../secret.png", "which is not below "},
		{"../secret.png", `names the file "../secret.png", which is not below `},
		{"a/../../secret.png", "which is not below "},
		{"outer.png", `names the file "outer.png", which cannot be read: path escapes`},
		{"up/secret.png", `names the file "up/secret.png", which cannot be read: path escapes`},
		{"nothing.png", `names the file "nothing.png", which cannot be read: no such file or directory`},
		{"gone.png", "no such file or directory"},
		{"loop.png", "too many levels of symbolic links"},
		{"a.png/b", "not a directory"},
		{"sub", `names the file "sub", which cannot be read: it is not a regular file`},
		{"pipe.png", "it is not a regular file"},
		{"a\\u0000b.png", "invalid argument"},
		{"text.png", `names the file "text.png", which is not a supported image; only PNG`},
		{"empty.png", `names the file "empty.png", which is not an image: it is empty`},
		{"file://elsewhere/a.png", "is not the URL of a file"},
		{"file://", "is not the URL of a file"},
		{"http://localhost/a.png", "fluxworker downloads nothing"},
	} {
		row := decodeOne(t, imageRow(test.name), o)
		if row.Reject == nil {
			t.Errorf("%s is read: %q", test.name, row.Request.Messages)
			continue
		}
		if row.Reject.Param != url || !strings.Contains(row.Reject.Message, test.message) {
			t.Errorf("%s: %s (%s), want %q", test.name, row.Reject.Message, row.Reject.Param, test.message)
		}
	}
}

// Files count like the row that names them: a short line must not fill the memory.
func TestImageFilesHaveALimit(t *testing.T) {
	dir, o := imageFolder(t)
	o.MaxRowBytes = 1000
	if err := os.WriteFile(filepath.Join(dir, "large.png"), []byte(png+strings.Repeat("x", 600)), 0o600); err != nil {
		t.Fatal(err)
	}
	twice := strings.Replace(imageRow("large.png"), `{"type":"text","text":"a"}`, `{"type":"image_url","image_url":"large.png"}`, 1)
	rows := readAll(t, imageRow("large.png")+"\n"+twice+"\n"+strings.Replace(imageRow("large.png"), `"c"`, `"d"`, 1), o)
	if rows[0].Reject != nil {
		t.Error(rows[0].Reject)
	}
	if r := rows[1].Reject; r == nil || r.Code != CodeDuplicateCustomID {
		t.Errorf("the second: %v", r)
	}
	if rows[2].Reject != nil {
		t.Errorf("another row's files count: %v", rows[2].Reject)
	}
	wantReject(t, twice, o, CodeTooLarge, "body.messages[0].content[1].image_url.url", `"large.png", which has 611 bytes; all image files of a row together may have --max-row-bytes bytes, and 389 of them are left`)
}

// A disk that fails is not the row's fault, and must not become its error line for good.
func TestImageFilesOfABrokenDisk(t *testing.T) {
	_, o := imageFolder(t)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	none := was
	none.Cur = 0 // no file can be opened any more
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	r := NewReader(strings.NewReader(imageRow("a.png")+"\n"+imageRow(pngURL(png))), o)
	_, err := r.Next()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err == nil || !strings.Contains(err.Error(), `read input, line 1: read image "a.png": too many open files`) {
		t.Errorf("got %v", err)
	}
	if _, again := r.Next(); again != err {
		t.Errorf("then %v", again)
	}
}

func TestOpenImageFolder(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), write(t, "file", nil)} {
		if _, err := OpenImageFolder(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// The image itself is a part of the key, however the row spells it; its place is one, too.
func TestKeysSeeImages(t *testing.T) {
	dir, o := imageFolder(t)
	key := func(line string) Key {
		t.Helper()
		row := decodeOne(t, line, o)
		if row.Reject != nil {
			t.Fatal(row.Reject)
		}
		return row.Key
	}
	base := key(imageRow(pngURL(png)))
	if got := key(imageRow("a.png")); got != base {
		t.Error("a file and a data: URL of the same image differ")
	}
	if got := key(`{"custom_id":"c","body":{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"` + pngURL(png) + `"},{"type":"text","text":"a"}]}]}}`); got != base {
		t.Error("two spellings of the same request differ")
	}
	one, two := `{"type":"image_url","image_url":"`+pngURL(png+"1")+`"}`, `{"type":"image_url","image_url":"`+pngURL(png+"2")+`"}`
	talk := func(first, second string) string {
		return `{"custom_id":"c","messages":[{"role":"user","content":[{"type":"text","text":"a"}` + first + `]},{"role":"user","content":[{"type":"text","text":"a"}` + second + `]}]}`
	}
	seen := map[Key]string{base: "base"}
	for _, line := range []string{
		`{"custom_id":"c","messages":[{"role":"user","content":"a"}]}`, imageRow(pngURL(png + "1")), talk("", ""), talk(","+one, ""), talk("", ","+one),
		talk(","+one+","+two, ""), talk(","+two+","+one, ""), talk(","+one, ","+two), talk(","+one+","+one, ""),
	} {
		k := key(line)
		if k.Name() != base.Name() {
			t.Errorf("the image changes the name: %s", line)
		}
		if other, taken := seen[k]; taken {
			t.Errorf("the same key for\n%s\n%s", line, other)
		}
		seen[k] = line
	}
	if err := os.WriteFile(filepath.Join(dir, "a.png"), []byte(png+"!"), 0o600); err != nil {
		t.Fatal(err)
	}
	if key(imageRow("a.png")) == base {
		t.Error("a changed file is not noticed")
	}
	if got := base.String(); got != goldenImageKey {
		t.Errorf("the key of a row with an image changed to %s", got)
	}
}

const goldenImageKey = "batch_req_3231303e30f4a7d71a3b4291fd05fca9"

// An image is held once: of its line nothing is kept.
func TestImagesAreNotShared(t *testing.T) {
	long := png + strings.Repeat("x", 100_000)
	rows := readAll(t, imageRow(pngURL(long))+"\n"+imageRow(pngURL(strings.ToUpper(long))), jsonlOptions())
	image := rows[0].Request.Messages[0].Images[0]
	if string(image) != long {
		t.Error("a later row changed the image")
	}
	if extra := cap(image) - len(image); extra > 8 {
		t.Errorf("%d bytes are held for nothing", extra)
	}
}
