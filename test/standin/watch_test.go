package standin

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watch sees the files that appear in some folders as they do (inotify).
type watch struct {
	file   *os.File
	names  chan string
	reader sync.WaitGroup
	once   sync.Once
}

func newWatch(t *testing.T, dirs ...string) *watch {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK) // so that Close ends a Read
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE); err != nil {
			t.Fatal(err)
		}
	}
	w := &watch{file: os.NewFile(uintptr(fd), "inotify"), names: make(chan string, 1000)}
	w.reader.Go(w.read)
	t.Cleanup(w.close)
	return w
}

func (w *watch) read() {
	defer close(w.names)
	buffer := make([]byte, 64<<10)
	for {
		n, err := w.file.Read(buffer)
		if err != nil {
			return
		}
		for rest := buffer[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			event := (*unix.InotifyEvent)(unsafe.Pointer(&rest[0]))
			end := unix.SizeofInotifyEvent + int(event.Len)
			select {
			case w.names <- string(bytes.TrimRight(rest[unix.SizeofInotifyEvent:end], "\x00")):
			default: // nobody waits for it
			}
			rest = rest[end:]
		}
	}
}

// await waits until a file appears whose name matches the pattern. It returns false when the watch is closed before.
func (w *watch) await(pattern string) bool {
	for name := range w.names {
		if matches, _ := filepath.Match(pattern, name); matches {
			return true
		}
	}
	return false
}

func (w *watch) close() {
	w.once.Do(func() { w.file.Close() })
	w.reader.Wait()
}
