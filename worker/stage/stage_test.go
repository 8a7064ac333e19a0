package stage_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fluxworker/test/await"
	"fluxworker/test/slowfs"
	"fluxworker/worker/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// modelSize is the size of the model's file in these tests: some parts for the readers, and a rest.
const modelSize = 70<<20 + 123

// logged holds what Ahead logged. Several calls may write to it.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.text.Bytes(), []byte(text))
}

func (l *logged) has(text string) bool { return l.count(text) > 0 }

// model is a model's file on a slow file system.
type model struct {
	*slowfs.FS
	config stage.Config
	log    logged
}

func newModel(t *testing.T, o slowfs.Options) *model {
	t.Helper()
	lower := t.TempDir()
	if err := os.WriteFile(filepath.Join(lower, "blob"), make([]byte, modelSize), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &model{FS: slowfs.Mount(t, lower, o)}
	m.config = stage.Config{When: stage.Auto, Files: []string{filepath.Join(m.Dir, "blob")}, Scratch: t.TempDir()}
	return m
}

func (m *model) ahead(ctx context.Context) {
	stage.Ahead(ctx, m.config, zerolog.New(&m.log))
}

// wantRead checks the number of bytes that came from the file system. The kernel may ask twice for a page that two want at once.
func (m *model) wantRead(t *testing.T, bytes int64) {
	t.Helper()
	if read := m.Read(""); read < bytes || read > bytes+bytes/10 {
		t.Errorf("%d bytes came from the file system, want %d; log:\n%s", read, bytes, &m.log.text)
	}
}

// wantNoTurn checks that no file remains for tasks that wait.
func (m *model) wantNoTurn(t *testing.T) {
	t.Helper()
	if left, _ := os.ReadDir(m.config.Scratch); len(left) > 0 {
		t.Errorf("%s remains in the scratch folder", left[0].Name())
	}
}

// Files on a network file system are read once, with several requests in flight, and a server finds them in the page cache.
func TestFilesAreReadAhead(t *testing.T) {
	t.Parallel()
	m := newModel(t, slowfs.Options{Latency: time.Millisecond})
	m.ahead(t.Context())
	m.wantRead(t, modelSize)
	if n := m.MostInFlight(); n < 3 {
		t.Errorf("at most %d requests were in flight", n)
	}
	f, err := os.Open(m.config.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := io.Copy(io.Discard, f); err != nil || n != modelSize {
		t.Fatalf("read %d bytes: %v", n, err)
	}
	m.wantRead(t, modelSize)
	if !m.log.has(`"mb_per_s":`) || !m.log.has(`"seconds":`) || !m.log.has(`"file_system":"FUSE"`) || m.log.has(`"warn"`) {
		t.Errorf("log:\n%s", &m.log.text)
	}
	m.wantNoTurn(t)
}

// Nothing is read ahead where the memory does not hold the files beside the servers, but with --stage always.
func TestMemoryBoundsTheReadAhead(t *testing.T) {
	t.Parallel()
	m := newModel(t, slowfs.Options{})
	m.config.Limit, m.config.Held = modelSize+100, 101
	m.ahead(t.Context())
	m.wantRead(t, 0)
	if !m.log.has("does not hold the model's files") {
		t.Errorf("log:\n%s", &m.log.text)
	}
	m.config.Held = 100
	m.ahead(t.Context())
	m.wantRead(t, modelSize)

	m = newModel(t, slowfs.Options{})
	m.config.Limit, m.config.When = 1, stage.Always
	m.ahead(t.Context())
	m.wantRead(t, modelSize)
}

// Files on a local file system are read with --stage always alone.
func TestLocalFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for when, want := range map[stage.When]bool{stage.Auto: false, stage.Always: true} {
		var log logged
		stage.Ahead(t.Context(), stage.Config{When: when, Files: []string{path}, Scratch: t.TempDir()}, zerolog.New(&log))
		if read := log.has("files are read ahead"); read != want {
			t.Errorf("%s: read ahead is %t, want %t; log:\n%s", when, read, want, &log.text)
		}
	}
}

// Of two tasks of a node, one reads, and the other waits and reads nothing.
func TestOneTaskOfANodeReads(t *testing.T) {
	t.Parallel()
	m := newModel(t, slowfs.Options{})
	m.Hold()
	var tasks sync.WaitGroup
	for range 2 {
		tasks.Go(func() { m.ahead(t.Context()) })
	}
	await.Until(t, "a task that waits", func() bool { return m.log.has("another task of this node") })
	m.Release()
	tasks.Wait()
	m.wantRead(t, modelSize)
	if n := m.log.count("files are read ahead"); n != 1 {
		t.Errorf("%d tasks read; log:\n%s", n, &m.log.text)
	}
	m.wantNoTurn(t)
}

// A task whose run ends while it reads gives its turn to the next.
func TestATurnPassesOn(t *testing.T) {
	t.Parallel()
	m := newModel(t, slowfs.Options{})
	m.Hold()
	ctx, cancel := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	tasks.Go(func() { m.ahead(ctx) })
	await.Until(t, "a read", func() bool { return m.MostInFlight() > 0 })
	tasks.Go(func() { m.ahead(t.Context()) })
	await.Until(t, "a task that waits", func() bool { return m.log.has("another task of this node") })
	cancel()
	m.Release()
	tasks.Wait()
	m.wantRead(t, modelSize) // the first task's part is in the page cache
	if !m.log.has("files are read ahead") {
		t.Errorf("log:\n%s", &m.log.text)
	}
	m.wantNoTurn(t)
}

// A task that waits ends with its run.
func TestAWaitEndsWithTheRun(t *testing.T) {
	t.Parallel()
	m := newModel(t, slowfs.Options{})
	m.Hold()
	var reader sync.WaitGroup
	reader.Go(func() { m.ahead(t.Context()) })
	await.Until(t, "a read", func() bool { return m.MostInFlight() > 0 })
	ctx, cancel := context.WithCancel(t.Context())
	var waits sync.WaitGroup
	waits.Go(func() { m.ahead(ctx) })
	await.Until(t, "a task that waits", func() bool { return m.log.has("another task of this node") })
	cancel()
	waits.Wait() // while the first still reads
	m.Release()
	reader.Wait()
	m.wantRead(t, modelSize)
}

// A file system that forgets what was read gives a warning.
func TestForgetfulFileSystem(t *testing.T) {
	t.Parallel()
	m := newModel(t, slowfs.Options{Latency: 2 * time.Millisecond, Forgets: true})
	m.ahead(t.Context())
	if !m.log.has("did not keep the model's files") {
		t.Errorf("log:\n%s", &m.log.text)
	}
}
