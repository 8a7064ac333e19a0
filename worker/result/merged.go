package result

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fluxworker/worker/safeopen"
)

// mergedFiles are the two destination files of a merge, before their rename.
type mergedFiles [2]*mergedFile // answers and failures

type mergedFile struct {
	*draft
	handle  *os.File // the file of the draft
	own     os.FileInfo
	out     *bufio.Writer
	waiting int64      // number of bytes written since the last sync started
	syncing chan error // receives the result of the running sync; nil while no sync runs
}

// syncAhead is the number of bytes after which a merged file is synced while it is written. Without it the disk would
// be idle first, and the merge would wait for it at the end.
const syncAhead = 32 << 20

func newMergedFiles(to Paths) (*mergedFiles, error) {
	if err := os.MkdirAll(filepath.Dir(to.Results), to.dirMode()); err != nil {
		return nil, &WriteError{Path: filepath.Dir(to.Results), Err: err}
	}
	files := new(mergedFiles)
	for kind, path := range []string{to.Results, to.Errors} {
		var err error
		if files[kind], err = newMergedFile(path, to); err != nil {
			files.discard()
			return nil, err
		}
	}
	return files, nil
}

// newMergedFile creates a draft. No lock separates two merges to the same file. Instead the later merge removes the
// draft of the earlier one, which detects that at its end. So a killed merge leaves nothing forever.
func newMergedFile(path string, to Paths) (*mergedFile, error) {
	safeopen.RemoveDrafts(path)
	f, err := safeopen.Draft(path, to.mode())
	if err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	d := &draft{disk: realDisk{}, path: path, temporary: f.Name(), file: f}
	own, err := f.Stat()
	if err != nil {
		d.discard()
		return nil, &WriteError{Path: path, Err: err}
	}
	return &mergedFile{draft: d, handle: f, own: own, out: bufio.NewWriterSize(d, 1<<20)}, nil
}

// taken reports whether another merge to the same file has started.
func (f *mergedFile) taken() bool {
	now, err := os.Stat(f.temporary)
	return err != nil || !os.SameFile(now, f.own)
}

// add appends to the file. From time to time it starts a sync in the background.
func (f *mergedFile) add(data []byte) error {
	if _, err := f.out.Write(data); err != nil {
		return f.failure()
	}
	if f.waiting += int64(len(data)); f.waiting < syncAhead || f.syncing != nil && len(f.syncing) == 0 {
		return nil // the next sync covers these bytes
	}
	if err := f.synced(); err != nil {
		return err
	}
	f.waiting, f.syncing = 0, make(chan error, 1)
	go func() { f.syncing <- f.syncAway() }()
	return nil
}

// syncAway syncs the file and drops it from the page cache. A cache full of merged lines would evict the parts, which
// are read twice, and SLURM counts it as the job's memory.
func (f *mergedFile) syncAway() error {
	err := f.file.Sync()
	if err == nil {
		unix.Fadvise(int(f.handle.Fd()), 0, 0, unix.FADV_DONTNEED) // a hint only
	}
	return err
}

// synced waits for the running sync.
func (f *mergedFile) synced() error {
	if f.syncing == nil {
		return nil
	}
	err := <-f.syncing
	if f.syncing = nil; err != nil {
		return &WriteError{Path: f.path, Err: err}
	}
	return nil
}

// complete flushes, syncs and closes the file.
func (f *mergedFile) complete() error {
	if err := f.out.Flush(); err != nil {
		return f.failure()
	}
	if err := f.synced(); err != nil {
		return err
	}
	if f.taken() {
		return &WriteError{Path: f.path, Err: errors.New("another merge to this file has started")}
	}
	return f.finish()
}

// discard removes the draft, unless it is missing or belongs to another merge.
func (f *mergedFile) discard() {
	f.synced() // ignore the result: the file is discarded
	if f.taken() {
		f.file.Close()
	} else {
		f.draft.discard()
	}
}

func (m *mergedFiles) write(kind int, _ wanted, line []byte) error { return m[kind].add(line) }

// publish syncs both files and then renames them, the answers last: a reader of the answers also finds the failures.
func (m *mergedFiles) publish() error {
	for _, f := range m {
		if err := f.complete(); err != nil {
			return err
		}
	}
	if err := m[1].draft.publish(); err != nil {
		return err
	}
	return m[0].draft.publish()
}

// discard removes the files that were not published.
func (m *mergedFiles) discard() {
	for _, f := range m {
		if f != nil {
			f.discard()
		}
	}
}

// CheckReplaceable returns an error if the file at path does not begin with a result line.
func CheckReplaceable(path string) error { return startsWith(path, lineStart) }

// startsWith returns an error if the file at path exists and does not begin with want.
func startsWith(path, want string) error {
	f, err := safeopen.Named(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("replace %s: %w", path, cause(err))
	}
	defer f.Close()
	start := make([]byte, len(want))
	n, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("replace %s: %w", path, cause(err))
	}
	if n > 0 && string(start[:n]) != want {
		return fmt.Errorf("%s exists and does not hold results", path)
	}
	return nil
}
