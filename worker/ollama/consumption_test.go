package ollama

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A model's weights that are mapped from their file are no memory that a server holds: the kernel can take them back. What
// it allocates is.
func TestMappedFilesAreNotHeld(t *testing.T) {
	const size = 64 << 20
	path := filepath.Join(t.TempDir(), "weights")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// grown is by how much more this process holds after it has touched every page of a mapping.
	grown := func(fd, flags int) int64 {
		before := anonymous(os.Getpid())
		protection := syscall.PROT_READ
		if fd < 0 {
			protection |= syscall.PROT_WRITE
		}
		pages, err := syscall.Mmap(fd, 0, size, protection, flags)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Munmap(pages)
		touched := byte(0)
		for i := 0; i < size; i += 4096 {
			touched |= pages[i]
			if fd < 0 {
				pages[i] = 1
			}
		}
		return anonymous(os.Getpid()) - before + int64(touched)
	}
	if n := grown(int(f.Fd()), syscall.MAP_SHARED); n > size/4 {
		t.Errorf("a mapped file counts as %d bytes", n)
	}
	if n := grown(-1, syscall.MAP_PRIVATE|syscall.MAP_ANON); n < size*3/4 {
		t.Errorf("%d allocated bytes count as %d", size, n)
	}
	if n := anonymous(1 << 30); n != 0 {
		t.Errorf("a process that is not there holds %d bytes", n)
	}
}
