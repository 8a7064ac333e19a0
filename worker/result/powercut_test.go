package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"fluxworker/test/seed"
	"fluxworker/worker/prompt"
)

// memoryDisk is a disk that can lose its power. What a file held at its last sync survives; of all that came later
// anything may, in whole blocks or in part, with zeros where data is missing. So do names: until their folder is synced,
// the old and the new state are equally possible.
type memoryDisk struct {
	mu     sync.Mutex
	names  map[string]*inode // as programs see them
	synced map[string]*inode // as they survive

	operations  int
	onOperation func(n int) // called before each, with the lock held
}

type inode struct{ data, synced []byte }

func newMemoryDisk() *memoryDisk {
	return &memoryDisk{names: make(map[string]*inode), synced: make(map[string]*inode)}
}

// lock begins an operation.
func (d *memoryDisk) lock() func() {
	d.mu.Lock()
	d.operations++
	if d.onOperation != nil {
		d.onOperation(d.operations)
	}
	return d.mu.Unlock
}

func (d *memoryDisk) Open(path string, flag int, _ fs.FileMode) (file, error) {
	defer d.lock()()
	n, ok := d.names[path]
	switch {
	case !ok && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	case !ok:
		n = new(inode)
		d.names[path] = n
	case flag&os.O_TRUNC != 0:
		n.data = nil
	}
	return &memoryFile{disk: d, inode: n}, nil
}

// Draft names drafts by a counter, so that a seed gives the same run again.
func (d *memoryDisk) Draft(path string, mode fs.FileMode) (file, string, error) {
	name := fmt.Sprintf("%s%04d", memoryDrafts(path), d.operations)
	f, err := d.Open(name, os.O_CREATE, mode)
	return f, name, err
}

func memoryDrafts(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".draft-")
}

func (d *memoryDisk) RemoveDrafts(path string) {
	defer d.lock()()
	maps.DeleteFunc(d.names, func(name string, _ *inode) bool { return strings.HasPrefix(name, memoryDrafts(path)) })
}

func (d *memoryDisk) Own(string, file) error { return nil }

func (d *memoryDisk) Rename(from, to string) error {
	defer d.lock()()
	n, ok := d.names[from]
	if !ok {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	d.names[to] = n
	delete(d.names, from)
	return nil
}

func (d *memoryDisk) Remove(path string) error {
	defer d.lock()()
	delete(d.names, path)
	return nil
}

func (d *memoryDisk) CheckPath(path string, f file, size int64) error {
	defer d.lock()()
	if d.names[path] != f.(*memoryFile).inode {
		return errReplaced
	}
	if int64(len(d.names[path].data)) != size {
		return errResized
	}
	return nil
}

func (d *memoryDisk) SyncDir(dir string) error {
	defer d.lock()()
	for path := range d.synced {
		if _, ok := d.names[path]; !ok && filepath.Dir(path) == dir {
			delete(d.synced, path)
		}
	}
	for path, n := range d.names {
		if filepath.Dir(path) == dir {
			d.synced[path] = n
		}
	}
	return nil
}

// afterCut is what another machine would find on the disk. The lock must be held.
func (d *memoryDisk) afterCut(random *rand.Rand) *memoryDisk {
	left := newMemoryDisk()
	for _, path := range slices.Sorted(maps.Keys(d.names)) {
		n, old := d.names[path], d.synced[path]
		if n != old && random.IntN(2) == 0 {
			n = old
		}
		if n == nil {
			continue
		}
		data := n.afterCut(random)
		left.names[path] = &inode{data: data, synced: bytes.Clone(data)}
	}
	for _, path := range slices.Sorted(maps.Keys(d.synced)) {
		if _, there := d.names[path]; !there && random.IntN(2) == 0 { // removed, but that was not synced
			data := d.synced[path].afterCut(random)
			left.names[path] = &inode{data: data, synced: bytes.Clone(data)}
		}
	}
	left.synced = maps.Clone(left.names)
	return left
}

func (n *inode) afterCut(random *rand.Rand) []byte {
	if len(n.data) < len(n.synced) || !bytes.Equal(n.data[:len(n.synced)], n.synced) { // cut off, or written anew
		if random.IntN(2) == 0 {
			return bytes.Clone(n.synced)
		}
		return bytes.Clone(n.data)
	}
	safe := len(n.synced)
	data := bytes.Clone(n.data)
	switch random.IntN(5) {
	case 0: // nothing came through
		return data[:safe]
	case 1: // all did
		return data
	case 2: // a part
		return data[:safe+random.IntN(len(data)-safe+1)]
	case 3: // the length did, the data not
		clear(data[safe:])
		return data
	default: // some blocks did
		const block = 64
		for at := safe; at < len(data); at += block {
			if random.IntN(2) == 0 {
				clear(data[at:min(at+block, len(data))])
			}
		}
		return data
	}
}

type memoryFile struct {
	disk  *memoryDisk
	inode *inode
	at    int
}

func (f *memoryFile) Read(p []byte) (int, error) {
	defer f.disk.lock()()
	if f.at >= len(f.inode.data) {
		return 0, io.EOF
	}
	n := copy(p, f.inode.data[f.at:])
	f.at += n
	return n, nil
}

func (f *memoryFile) Write(p []byte) (int, error) {
	defer f.disk.lock()()
	f.inode.data = append(f.inode.data, p...)
	return len(p), nil
}

func (f *memoryFile) Sync() error {
	defer f.disk.lock()()
	f.inode.synced = bytes.Clone(f.inode.data)
	return nil
}

func (f *memoryFile) Truncate(size int64) error {
	defer f.disk.lock()()
	f.inode.data = f.inode.data[:size]
	return nil
}

func (f *memoryFile) Close() error { return nil }

// cutRow is row i of the power cut tests. Each seventh fails.
func cutRow(i int) (prompt.Row, *Response) {
	r := prompt.Row{CustomID: fmt.Sprintf("r%d", i)}
	r.Key[6], r.Key[7], r.Key[8] = byte(i>>8), byte(i), 1
	status := 200
	if i%7 == 0 {
		status = 400
	}
	return r, &Response{StatusCode: status, RequestID: "req", Body: strings.Repeat("x", 10+i%90)}
}

// The power fails again and again, at any instant of the recovery, the rewrites and the writing. Nothing that was said to
// be durable is lost, and in the end each row has one line.
func TestPowerCuts(t *testing.T) {
	seed.Each(t, seed.First(100), testPowerCuts)
}

func testPowerCuts(t *testing.T, random *rand.Rand) {
	const rows = 60
	disk := newMemoryDisk()
	p := paths(t)
	durable := make(map[int]bool) // rows whose line was said to be on disk
	for range 6 {
		disk = runUntilCut(t, disk, p, rows, random, durable)
	}
	o := options(p)
	o.disk = disk
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range durable {
		r, _ := cutRow(i)
		if s := l.Done().State(r.Key); s != Answered && s != Failed {
			t.Errorf("row %d was durable, and is gone", i)
		}
	}
	for i := range rows {
		if r, response := cutRow(i); l.Done().State(r.Key) == New {
			if err := l.Append(r, response, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeLog(t, l)
	seen := make(map[string]bool)
	for path, n := range disk.names {
		if path != p.Results && path != p.Errors {
			continue
		}
		for line := range bytes.Lines(n.data) {
			var got Line
			if err := json.Unmarshal(line, &got); err != nil {
				t.Fatalf("%s: %q: %v", path, line, err)
			}
			if seen[got.CustomID] || got.ok() != (path == p.Results) {
				t.Errorf("%s is there twice, or in the wrong file", got.CustomID)
			}
			seen[got.CustomID] = true
		}
	}
	if len(seen) != rows {
		t.Errorf("%d rows have a line, want %d", len(seen), rows)
	}
}

// runUntilCut runs until a power cut at a random operation of the disk. It returns the disk after the cut.
func runUntilCut(t *testing.T, disk *memoryDisk, p Paths, rows int, random *rand.Rand, durable map[int]bool) (left *memoryDisk) {
	var order [2][]int // rows in the order of their lines: answers, failures
	var l *Log
	cut := func() {
		if l != nil {
			answered, failed := l.Durable()
			for _, i := range order[0][:answered] {
				durable[i] = true
			}
			for _, i := range order[1][:failed] {
				durable[i] = true
			}
		}
		left = disk.afterCut(random)
	}
	at := disk.operations + 1 + random.IntN(80)
	o := options(p)
	o.disk, o.SyncBytes = disk, int64(random.IntN(600))
	opened, err := func() (*Log, error) {
		// The recovery is cut where its operations reach the instant; the log itself is not there yet.
		disk.onOperation = func(n int) {
			if n == at {
				cut()
			}
		}
		return Open(t.Context(), o)
	}()
	if err != nil {
		t.Fatal(err)
	}
	disk.mu.Lock()
	l = opened
	disk.mu.Unlock()
	if random.IntN(3) == 0 {
		// Some rows are to be asked again: their lines go, and what was durable of them is no promise any more.
		pick := random.IntN(5)
		again := func(i int) bool { return i%5 == pick }
		disk.mu.Lock()
		for i := range durable {
			if again(i) {
				delete(durable, i)
			}
		}
		disk.mu.Unlock()
		if _, err := l.Edit(t.Context(), func(k prompt.Key, _ bool) Edit { return Edit{Drop: again(int(k[6])<<8 | int(k[7]))} }); err != nil {
			t.Fatal(err)
		}
	}
	for i := range rows {
		r, response := cutRow(i)
		if l.Done().State(r.Key) != New {
			continue
		}
		file := 0
		if response.StatusCode != 200 {
			file = 1
		}
		disk.mu.Lock()
		order[file] = append(order[file], i)
		disk.mu.Unlock()
		if err := l.Append(r, response, nil); err != nil {
			t.Fatal(err)
		}
	}
	closeLog(t, l)
	disk.mu.Lock()
	defer disk.mu.Unlock()
	disk.onOperation = nil
	if left == nil {
		cut() // the run was over before the instant came
	}
	return left
}

// fullDisk fails writes from some point on, after a part of the last one.
type fullDisk struct {
	disk
	room int64
	err  error
}

func (d *fullDisk) Open(path string, flag int, mode fs.FileMode) (file, error) {
	f, err := d.disk.Open(path, flag, mode)
	if err != nil {
		return nil, err
	}
	return &fullFile{file: f, disk: d}, nil
}

func (d *fullDisk) Own(path string, f file) error { return d.disk.Own(path, f.(*fullFile).file) }

func (d *fullDisk) CheckPath(path string, f file, size int64) error {
	return d.disk.CheckPath(path, f.(*fullFile).file, size)
}

type fullFile struct {
	file
	disk *fullDisk
}

func (f *fullFile) Write(p []byte) (int, error) {
	if int64(len(p)) > f.disk.room {
		n, _ := f.file.Write(p[:f.disk.room])
		f.disk.room = 0
		return n, f.disk.err
	}
	f.disk.room -= int64(len(p))
	return f.file.Write(p)
}

// What was written whole before a write failed stays and counts; half a line does not stay.
func TestAppendAfterAFailedWrite(t *testing.T) {
	for _, cause := range []error{errors.New("short write"), fs.ErrPermission} {
		p := paths(t)
		memory := newMemoryDisk()
		whole := int64(len(lineOf(t, 1, 1)))
		o := options(p)
		o.disk = &fullDisk{disk: memory, room: 2*whole + 10, err: cause}
		l, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range byte(3) {
			if err := l.Append(row(i+1, i+1), answered("x"), nil); err != nil {
				t.Fatal(err) // queued: the writer has not seen it
			}
		}
		<-l.Failed()
		var failed *WriteError
		if !errors.As(l.Err(), &failed) || failed.Path != p.Results || !errors.Is(l.Err(), cause) {
			t.Errorf("got %v, want a WriteError of %s", l.Err(), p.Results)
		}
		if n, _ := l.Durable(); n != 2 {
			t.Errorf("%d lines count as durable, want 2", n)
		}
		if err := l.Close(); !errors.As(err, &failed) {
			t.Errorf("close: %v, want the WriteError", err)
		}
		l.Release()
		if got := string(memory.names[p.Results].synced); got != lineOf(t, 1, 1)+lineOf(t, 2, 2) {
			t.Errorf("left on disk: %q", got)
		}
	}
}
