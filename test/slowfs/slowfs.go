// Package slowfs mounts a folder a second time, as a slow file system (FUSE): each request for a part of a file takes a while, as
// on a network file system. It counts the bytes that each program asks for.
//
// Real are the kernel's page cache, its read-ahead and its page faults. Not real are the network, which has a latency and no
// bandwidth, and a client that is not the kernel's.
package slowfs

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"fluxworker/test/build"
)

// Options says how slow a file system is.
type Options struct {
	Latency time.Duration // of each request for a part of a file; the kernel asks for 128 KiB at most
	Forgets bool          // an open of a file drops the pages that earlier reads left in the page cache
	HoldAt  int64         // requests wait until Release as soon as programs have asked for this many bytes; 0 holds none
}

// FS is a mounted file system.
type FS struct {
	Dir     string // where it is mounted
	options Options

	mu       sync.Mutex
	read     map[string]int64 // bytes by the name of the program
	all      int64            // bytes of all programs
	inFlight int
	most     int
	held     chan struct{} // closed when requests may go on
}

// Mount mounts the folder lower until the end of the test. The test is skipped or, in CI, fails where FUSE cannot be used.
func Mount(t testing.TB, lower string, o Options) *FS {
	t.Helper()
	Need(t)
	f, unmount, err := New(lower, t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Release()
		if err := unmount(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// Need skips a test or, in CI, fails it where FUSE cannot be used.
func Need(t testing.TB) {
	t.Helper()
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		build.Missing(t, "no FUSE: %v; run the test as root, with the kernel module fuse", err)
	}
	device.Close()
}

// New mounts the folder lower at dir, for callers that are no test.
func New(lower, dir string, o Options) (f *FS, unmount func() error, _ error) {
	open := make(chan struct{})
	close(open)
	f = &FS{Dir: dir, options: o, read: make(map[string]int64), held: open}
	root := &fs.LoopbackRoot{Path: lower}
	server, err := fs.Mount(dir, &node{LoopbackNode: fs.LoopbackNode{RootData: root}, fs: f}, &fs.Options{MountOptions: fuse.MountOptions{
		DirectMount: true, AllowOther: true, FsName: "slow", Name: "slow", MaxBackground: 64, // as many requests as a network file system has in flight
	}})
	if err != nil {
		return nil, nil, fmt.Errorf("mount %s: %w", dir, err)
	}
	return f, func() error {
		// By force: every mount namespace that another process of the machine has made meanwhile holds a copy of the mount, and the
		// file system would live until the last of them ends.
		if err := unix.Unmount(dir, unix.MNT_FORCE|unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", dir, err)
		}
		server.Wait()
		return nil
	}, nil
}

// Read returns the number of bytes that programs whose names begin with a prefix have asked for.
func (f *FS) Read(prefix string) (bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, n := range maps.All(f.read) {
		if strings.HasPrefix(name, prefix) {
			bytes += n
		}
	}
	return bytes
}

// MostInFlight returns the largest number of requests at the same time.
func (f *FS) MostInFlight() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most
}

// Hold lets requests wait until Release.
func (f *FS) Hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = make(chan struct{})
}

// Release ends a Hold; without one it does nothing.
func (f *FS) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.held:
	default:
		close(f.held)
	}
}

// begin counts a request, and waits as long as it is held.
func (f *FS) begin(bytes int, program string) {
	f.mu.Lock()
	f.read[program] += int64(bytes)
	if at := f.options.HoldAt; f.all < at && f.all+int64(bytes) >= at {
		f.held = make(chan struct{})
	}
	f.all += int64(bytes)
	f.inFlight++
	f.most = max(f.most, f.inFlight)
	held := f.held
	f.mu.Unlock()
	<-held
	time.Sleep(f.options.Latency)
}

func (f *FS) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight--
}

// node is a file or a folder.
type node struct {
	fs.LoopbackNode
	fs *FS
}

// WrapChild makes files and folders below this one slow, too.
func (n *node) WrapChild(context.Context, fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{LoopbackNode: fs.LoopbackNode{RootData: n.RootData}, fs: n.fs}
}

// Open opens a file for reading.
func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	open, err := os.Open(filepath.Join(n.RootData.Path, n.Path(n.Root())))
	if err != nil {
		return nil, 0, fs.ToErrno(err)
	}
	keep := uint32(fuse.FOPEN_KEEP_CACHE)
	if n.fs.options.Forgets {
		keep = 0
	}
	return &handle{open, n.fs}, keep, fs.OK
}

// handle is an open file.
type handle struct {
	file *os.File
	fs   *FS
}

// Read reads a part of the file, slowly.
func (h *handle) Read(ctx context.Context, into []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	n, err := h.file.ReadAt(into, at)
	if n == 0 && err != nil {
		return fuse.ReadResultData(nil), fs.OK
	}
	h.fs.begin(n, programOf(ctx))
	defer h.fs.end()
	return fuse.ReadResultData(into[:n]), fs.OK
}

// Release closes the file.
func (h *handle) Release(context.Context) syscall.Errno { return fs.ToErrno(h.file.Close()) }

// programOf returns the name of the program whose thread caused a request; "" after its end.
func programOf(ctx context.Context) string {
	caller, ok := fuse.FromContext(ctx)
	if !ok {
		return ""
	}
	name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(int(caller.Pid)), "comm")) // the name of a thread is by default that of its program
	return strings.TrimSpace(string(name))
}
