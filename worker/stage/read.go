package stage

import (
	"cmp"
	"context"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"fluxworker/batcher"
)

const (
	// readers is the number of parallel readers. test/bench/RESULTS.md has the rates of other numbers.
	readers = 8
	// segment is what one reader reads in sequence, in bytes: long enough for the read-ahead of the file system to open up.
	segment = 32 << 20
	// piece is the length of one read, in bytes.
	piece = 4 << 20
	// reportEvery is the time between two lines about the progress.
	reportEvery = 10 * time.Second
)

// span is a part of a file.
type span struct {
	path       string
	start, end int64
}

// spans cuts files into parts of one segment at most.
func spans(files []file) (list []span) {
	for _, f := range files {
		for at := int64(0); at < f.size; at += segment {
			list = append(list, span{f.path, at, min(at+segment, f.size)})
		}
	}
	return list
}

// readAll reads files with several readers, and logs the progress.
func readAll(ctx context.Context, files []file, log zerolog.Logger) error {
	list := spans(files)
	var next, read atomic.Int64
	finished := make(chan struct{})
	var reporting sync.WaitGroup
	reporting.Go(func() { report(&read, finished, log) })
	defer reporting.Wait()
	defer close(finished)

	g, ctx := errgroup.WithContext(ctx)
	for range min(readers, len(list)) {
		g.Go(func() error {
			return offMainThread(func() error {
				r := reader{buffer: make([]byte, piece), read: &read}
				defer r.close()
				for {
					i := next.Add(1) - 1
					if i >= int64(len(list)) {
						return nil
					}
					if err := r.span(ctx, list[i]); err != nil {
						return err
					}
				}
			})
		})
	}
	return g.Wait()
}

// offMainThread calls f on another thread than the first of the process. The kernel hands a signal of the process to the first
// thread, and while that thread waits for a file system, the signal waits with it.
func offMainThread(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.Gettid() != unix.Getpid() {
		return f()
	}
	done := make(chan error)
	go func() { done <- offMainThread(f) }() // elsewhere: this thread is taken
	return <-done
}

// reader reads spans, one after the other.
type reader struct {
	buffer []byte
	read   *atomic.Int64 // bytes, of all readers
	open   *os.File      // nil before the first span
}

func (r *reader) span(ctx context.Context, s span) error {
	if err := r.turnTo(s.path); err != nil {
		return err
	}
	for at := s.start; at < s.end; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := r.open.ReadAt(r.buffer[:min(piece, s.end-at)], at)
		at += int64(n)
		r.read.Add(int64(n))
		if err == io.EOF { // the file became shorter; the server will say so
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// turnTo opens a file, unless it is open. A reader opens a file once: some file systems drop the page cache of a file at an open.
func (r *reader) turnTo(path string) (err error) {
	if r.open != nil && r.open.Name() == path {
		return nil
	}
	r.close()
	r.open, err = os.Open(path)
	return err
}

func (r *reader) close() {
	if r.open != nil {
		r.open.Close()
		r.open = nil
	}
}

// report logs the progress until the readers have finished.
func report(read *atomic.Int64, finished <-chan struct{}, log zerolog.Logger) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for before := int64(0); ; {
		select {
		case <-finished:
			return
		case <-tick.C:
			now := read.Load()
			log.Info().Str("read", batcher.Size(now)).Float64("mb_per_s", rounded(float64(now-before)/1e6/reportEvery.Seconds())).Msg("reading the model's files ahead")
			before = now
		}
	}
}

// samples is the number of places at which inPageCache looks.
const samples = 16

// warnIfDropped warns where the file system did not keep what was read.
func warnIfDropped(files []file, log zerolog.Logger) {
	largest := slices.MaxFunc(files, func(a, b file) int { return cmp.Compare(a.size, b.size) })
	if kept, err := inPageCache(largest); err == nil && !kept {
		log.Warn().Msg("the file system did not keep the model's files in the page cache, so reading them ahead gains nothing here: add --stage never, or copy the model to a folder of the node in the job script")
	}
}

// inPageCache reports whether pages of a file are in the page cache. It reads no page: the kernel tells which pages are there
// (mincore(2)). Of a file that this user may not write, the kernel says that all are there.
func inPageCache(f file) (bool, error) {
	open, err := os.Open(f.path)
	if err != nil {
		return false, err
	}
	defer open.Close()
	pages, err := unix.Mmap(int(open.Fd()), 0, int(f.size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return false, err
	}
	defer unix.Munmap(pages)
	page := os.Getpagesize()
	for i := range samples {
		var there byte
		at := len(pages) / samples * i / page * page
		if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&pages[at])), 1, uintptr(unsafe.Pointer(&there))); errno != 0 {
			return false, errno
		}
		if there&1 != 0 {
			return true, nil
		}
	}
	return false, nil
}
