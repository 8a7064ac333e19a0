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
)

// mergedFiles are the two files that lines are merged to, before they take their places.
type mergedFiles [2]*mergedFile // answers and failures

type mergedFile struct {
	*draft
	handle  *os.File // of the draft
	own     os.FileInfo
	out     *bufio.Writer
	waiting int64      // bytes written since a sync was begun
	syncing chan error // of the sync that is under way; nil where none is
}

// syncAhead is after how many bytes a merged file is synced while it is written on: else the disk would idle first, and
// the merge wait for it at the end.
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

// newMergedFile begins a file. No lock keeps two merges to one file apart; instead the later one takes the draft away
// from the earlier, which notices that at its end. So nothing of a merge that was killed is left for ever.
func newMergedFile(path string, to Paths) (*mergedFile, error) {
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".merge")
	os.Remove(temporary) // mostly not there
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, to.mode())
	if err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	d := &draft{disk: realDisk{}, path: path, temporary: temporary, file: f}
	own, err := f.Stat()
	if err != nil {
		d.discard()
		return nil, &WriteError{Path: path, Err: err}
	}
	return &mergedFile{draft: d, handle: f, own: own, out: bufio.NewWriterSize(d, 1<<20)}, nil
}

// taken tells whether another merge has begun to write to the same file.
func (f *mergedFile) taken() bool {
	now, err := os.Stat(f.temporary)
	return err != nil || !os.SameFile(now, f.own)
}

// add appends to the file, and syncs what there was before, now and then, while more is written.
func (f *mergedFile) add(data []byte) error {
	if _, err := f.out.Write(data); err != nil {
		return f.failure()
	}
	if f.waiting += int64(len(data)); f.waiting < syncAhead || f.syncing != nil && len(f.syncing) == 0 {
		return nil // the next sync takes all that has come meanwhile
	}
	if err := f.synced(); err != nil {
		return err
	}
	f.waiting, f.syncing = 0, make(chan error, 1)
	go func() { f.syncing <- f.syncAway() }()
	return nil
}

// syncAway brings to the disk what was written, and lets the page cache forget it. A cache that fills with the merged lines
// would lose the parts' own, which were read once and are about to be read again; and SLURM counts it as the job's memory.
func (f *mergedFile) syncAway() error {
	err := f.file.Sync()
	if err == nil {
		unix.Fadvise(int(f.handle.Fd()), 0, 0, unix.FADV_DONTNEED) // only advice
	}
	return err
}

// synced waits for the sync that is under way.
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

// complete makes all that was written durable.
func (f *mergedFile) complete() error {
	if err := f.out.Flush(); err != nil {
		return f.failure()
	}
	if err := f.synced(); err != nil {
		return err
	}
	if f.taken() {
		return &WriteError{Path: f.path, Err: errors.New("another merge to this file has begun meanwhile")}
	}
	return f.finish()
}

// discard removes the draft, unless it is not there any more, or another's.
func (f *mergedFile) discard() {
	f.synced() // the file is given up, whatever it says
	if f.taken() {
		f.file.Close()
	} else {
		f.draft.discard()
	}
}

func (m *mergedFiles) write(kind int, _ wanted, line []byte) error { return m[kind].add(line) }

// place makes both files durable and then puts them where they belong, the answers last: who sees these sees the failures
// that go with them.
func (m *mergedFiles) place() error {
	for _, f := range m {
		if err := f.complete(); err != nil {
			return err
		}
	}
	if err := m[1].draft.place(); err != nil {
		return err
	}
	return m[0].draft.place()
}

// discard removes what did not come to its place.
func (m *mergedFiles) discard() {
	for _, f := range m {
		if f != nil {
			f.discard()
		}
	}
}

// Replaceable is an error where a file at path is none that lines were merged to: it begins with something else.
func Replaceable(path string) error { return startsWith(path, lineStart) }

// startsWith is an error where a file at path begins with something else.
func startsWith(path, want string) error {
	f, err := os.Open(path)
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
		return fmt.Errorf("%s is there and holds something else than results", path)
	}
	return nil
}
