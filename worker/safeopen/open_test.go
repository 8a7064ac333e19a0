package safeopen

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fluxworker/test/build"
)

// Neither kind of open waits at a named pipe, and both name what they found. Only Named follows a link.
func TestWhatIsNoRegularFileIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.WriteFile(file, []byte("x"), 0o600), os.Symlink(file, link), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path string
		flag int
		kind string
	}{
		{file, os.O_RDONLY, ""}, {file, os.O_WRONLY | os.O_APPEND, ""},
		{link, os.O_RDONLY, "symbolic link"}, {link, os.O_WRONLY | os.O_CREATE, "symbolic link"},
		{pipe, os.O_RDONLY, "named pipe"}, {pipe, os.O_WRONLY | os.O_CREATE | os.O_APPEND, "named pipe"},
		{dir, os.O_RDONLY, "folder"}, {dir, os.O_WRONLY, "folder"},
	} {
		f, err := File(test.path, test.flag, 0o600)
		if err == nil {
			f.Close()
		}
		var kind *KindError
		if found := errors.As(err, &kind); found != (test.kind != "") || found && kind.Kind != test.kind || !found && err != nil {
			t.Errorf("File(%s, %x): got %v, want kind %q", filepath.Base(test.path), test.flag, err, test.kind)
		}
	}
	if f, err := Named(link); err != nil {
		t.Errorf("Named follows no link: %v", err)
	} else {
		f.Close()
	}
	if _, err := Named(pipe); !errors.As(err, new(*KindError)) {
		t.Errorf("Named(pipe): %v", err)
	}
}

// New replaces a link and does not write to its target.
func TestNewFollowsNoLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim, link := filepath.Join(dir, "victim"), filepath.Join(dir, "server.log")
	if err := errors.Join(os.WriteFile(victim, []byte("precious"), 0o600), os.Symlink(victim, link)); err != nil {
		t.Fatal(err)
	}
	f, err := New(link, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the target of the link has %q, %v", data, err)
	}
	if info, err := os.Lstat(link); err != nil || !info.Mode().IsRegular() {
		t.Errorf("got %v, %v, want a regular file", info, err)
	}
}

// RemoveDrafts removes the drafts of one file and nothing else; a long name has drafts, too.
func TestRemoveDrafts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	long := strings.Repeat("ä", 120) + ".jsonl"
	for _, name := range []string{"a.jsonl", "a.jsonl", "b.jsonl", long} {
		f, err := Draft(filepath.Join(dir, name), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	kept := []string{".a.jsonl.mine.new", "a.jsonl"}
	for _, name := range kept {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	RemoveDrafts(filepath.Join(dir, "a.jsonl"))
	if got := names(t, dir); len(got) != 4 {
		t.Errorf("got %v, want the drafts of b.jsonl and of the long name, and %v", got, kept)
	}
	RemoveAllDrafts(dir)
	if got := names(t, dir); !slices.Equal(got, kept) {
		t.Errorf("got %v, want %v", got, kept)
	}
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A file of another user, or one that every user may write to, is foreign; the owner of the folder counts for root.
func TestForeign(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, ".env")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := func() string {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return OtherOwner(path, info) + OpenToAll(info)
	}
	if got := foreign(); got != "" {
		t.Errorf("a file of this user is foreign: %s", got)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := foreign(); !strings.Contains(got, "every user") {
		t.Errorf("a file that every user may write to: got %q", got)
	}
	if os.Getuid() != 0 {
		build.Missing(t, "not root: no file of another user can be made")
	}
	if err := errors.Join(os.Chmod(path, 0o644), os.Chown(path, 65533, 65533)); err != nil {
		t.Fatal(err)
	}
	if got := foreign(); !strings.Contains(got, "belongs to user 65533") {
		t.Errorf("a file of another user: got %q", got)
	}
	if err := os.Chown(dir, 65533, 65533); err != nil {
		t.Fatal(err)
	}
	if got := foreign(); got != "" {
		t.Errorf("for root, the file of the folder's owner is foreign: %s", got)
	}
	if err := errors.Join(os.Chown(path, nobody, nobody), os.Chown(dir, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	if got := foreign(); got == "" {
		t.Error("nobody counts as the owner of the folder: in a user namespace, that is any user")
	}
}
