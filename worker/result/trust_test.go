package result

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"fluxworker/test/build"
)

// other is the id of a user and of a group that no test runs as.
const other = 65533

// needRoot skips a test that gives files to another user.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		build.Missing(t, "not root: no file of another user can be made")
	}
}

// refused demands that Open fails with a WriteError of path that says why.
func refused(t *testing.T, p Paths, path, why string) {
	t.Helper()
	l, err := Open(t.Context(), options(p))
	if err == nil {
		closeLog(t, l)
	}
	var write *WriteError
	if !errors.As(err, &write) || write.Path != path || !strings.Contains(err.Error(), why) {
		t.Errorf("got %v, want a WriteError of %s that says %q", err, path, why)
	}
}

// A run folder is one of this user, or of a group that the user named.
func TestARunFolderOfAnotherUserIsRefused(t *testing.T) {
	needRoot(t)
	for _, test := range []struct {
		name  string
		gid   int
		mode  fs.FileMode // of the folder
		files fs.FileMode // --file-mode
		why   string      // "" where the folder is accepted
	}{
		{"another user's", other, 0o700, 0o600, "belongs to user 65533 and not to you (user 0)"},
		{"another user's, open to all", other, 0o777, 0o600, "belongs to user 65533"},
		{"a colleague's, not shared", os.Getegid(), 0o770, 0o600, "use --file-mode 0660"},
		{"a colleague's, shared", os.Getegid(), 0o2770, 0o660, ""},
		{"another group's", other, 0o770, 0o660, "belongs to user 65533"},
		{"a colleague's, shared, open to all", os.Getegid(), 0o777, 0o660, "every user may write to it (mode 0777)"},
		{"shared with all", other, 0o777, 0o666, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := paths(t)
			p.Mode = test.files
			if err := errors.Join(os.MkdirAll(p.Run, 0o700), os.Chown(p.Run, other, test.gid), os.Chmod(p.Run, test.mode)); err != nil {
				t.Fatal(err)
			}
			if test.why != "" {
				refused(t, p, p.Run, test.why)
				if left, err := os.ReadDir(p.Run); err != nil || len(left) > 0 {
					t.Errorf("left in the folder: %v, %v", left, err)
				}
				return
			}
			l, err := Open(t.Context(), options(p))
			if err != nil {
				t.Fatal(err)
			}
			closeLog(t, l)
		})
	}
}

// A run folder that every user may write to is refused, unless the user asked for it; a link or a file is no run folder.
func TestARunFolderIsARealFolder(t *testing.T) {
	p := paths(t)
	if err := errors.Join(os.MkdirAll(p.Run, 0o700), os.Chmod(p.Run, 0o777)); err != nil {
		t.Fatal(err)
	}
	refused(t, p, p.Run, "chmod o-w")
	if err := os.Rename(p.Run, p.Run+".real"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(p.Run+".real", 0o700), os.Symlink(p.Run+".real", p.Run)); err != nil {
		t.Fatal(err)
	}
	refused(t, p, p.Run, "it is a symbolic link")
	if err := os.Remove(p.Run); err != nil {
		t.Fatal(err)
	}
	put(t, p.Run, "")
	refused(t, p, p.Run, "it is not a folder")
}

// A results file or errors file that another user made, or may write to, gets no answer.
func TestAResultsFileOfAnotherUserIsRefused(t *testing.T) {
	needRoot(t)
	for name, of := range map[string]func(Paths) string{"results": func(p Paths) string { return p.Results }, "errors": func(p Paths) string { return p.Errors }} {
		t.Run(name, func(t *testing.T) {
			p := paths(t)
			path := of(p)
			put(t, path, "")
			if err := os.Chmod(path, 0o666); err != nil {
				t.Fatal(err)
			}
			refused(t, p, path, "every user may write to it (mode 0666)")
			if err := errors.Join(os.Chmod(path, 0o600), os.Chown(path, other, other)); err != nil {
				t.Fatal(err)
			}
			refused(t, p, path, "belongs to user 65533")
			p.Mode = 0o660
			if err := errors.Join(os.Chown(path, other, os.Getegid()), os.Chmod(path, 0o660)); err != nil {
				t.Fatal(err)
			}
			l, err := Open(t.Context(), options(p))
			if err != nil {
				t.Fatalf("a colleague's file, shared: %v", err)
			}
			closeLog(t, l)
		})
	}
}

// On a file system that gives files another owner or another mode, as NFS with root_squash, CIFS or WSL do, a folder is
// accepted if a new file there looks the same.
func TestWhatTheFileSystemMakesOfOwnersCounts(t *testing.T) {
	needRoot(t)
	at := func(uid int, mode fs.FileMode) (string, fs.FileInfo) {
		path := filepath.Join(t.TempDir(), "file")
		put(t, path, "")
		if err := errors.Join(os.Chown(path, uid, other), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return path, info
	}
	for _, test := range []struct {
		uid, newUID   int
		mode, newMode fs.FileMode
		accepted      bool
	}{
		{other, other, 0o700, 0o600, true},
		{other, os.Getuid(), 0o700, 0o600, false},
		{os.Getuid(), os.Getuid(), 0o777, 0o777, true},
		{os.Getuid(), os.Getuid(), 0o777, 0o600, false},
		{other, other, 0o777, 0o777, true},
		{other, other, 0o777, 0o600, false},
	} {
		path, info := at(test.uid, test.mode)
		_, made := at(test.newUID, test.newMode)
		why := trust{mode: 0o600, trial: func(string) fs.FileInfo { return made }}.refusal(path, path, info)
		if accepted := why == ""; accepted != test.accepted {
			t.Errorf("%+v: %q", test, why)
		}
	}
	if made := trialFile(filepath.Join(t.TempDir(), "file")); made == nil || made.Mode().Perm() != 0o600 {
		t.Errorf("trialFile: %v", made)
	}
}

// Something else than a regular file in the place of one of our files never blocks, and is named.
func TestSpecialFilesAreNamed(t *testing.T) {
	for name, of := range map[string]func(Paths) string{
		"errors": func(p Paths) string { return p.Errors }, "lock": func(p Paths) string { return p.In("lock.000001") },
	} {
		for kind, make := range map[string]func(path string) error{
			"named pipe":    func(path string) error { return syscall.Mkfifo(path, 0o600) },
			"folder":        func(path string) error { return os.Mkdir(path, 0o700) },
			"symbolic link": func(path string) error { return os.Symlink("elsewhere", path) },
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				p := paths(t)
				if err := os.MkdirAll(p.Run, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := make(of(p)); err != nil {
					t.Fatal(err)
				}
				refused(t, p, of(p), "it is a "+kind)
			})
		}
	}
}

// A results file that another program cut or extended ends the run, at the next sync or at the end.
func TestAResizedFileIsNoticed(t *testing.T) {
	for _, unsynced := range []bool{true, false} {
		for name, change := range map[string]func(path string) error{
			"cut":      func(path string) error { return os.Truncate(path, 30) },
			"emptied":  func(path string) error { return os.Truncate(path, 0) },
			"extended": func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", 5000)), 0) },
		} {
			t.Run(name, func(t *testing.T) {
				p := paths(t)
				put(t, p.Results, lineOf(t, 1, 1))
				l, _ := open(t, p)
				if err := change(p.Results); err != nil {
					t.Fatal(err)
				}
				if unsynced {
					if err := l.Append(row(2, 2), answered("x"), nil); err != nil {
						t.Fatal(err)
					}
				}
				if err := l.Close(); !errors.Is(err, errResized) {
					t.Errorf("got %v, want errResized", err)
				}
				if n, _ := l.Durable(); n != 0 {
					t.Errorf("%d lines count as durable", n)
				}
				l.Release()
			})
		}
	}
}

// Two names of one file are one output, whatever their folders say: a hard link, a bind mount.
func TestASecondNameOfTheFileIsHeld(t *testing.T) {
	for name, alias := range map[string]func(t *testing.T, from, to string){
		"hard link": func(t *testing.T, from, to string) {
			if err := os.Link(from, to); err != nil {
				t.Fatal(err)
			}
		},
		"bind mount": func(t *testing.T, from, to string) {
			needRoot(t)
			put(t, to, "")
			if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { unix.Unmount(to, unix.MNT_DETACH) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, second := paths(t), paths(t)
			l, _ := open(t, p)
			if err := os.MkdirAll(filepath.Dir(second.Results), 0o700); err != nil {
				t.Fatal(err)
			}
			alias(t, p.Results, second.Results)
			if _, err := Open(t.Context(), options(second)); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "by another name") {
				t.Errorf("got %v, want ErrHeld", err)
			}
			closeLog(t, l)
			again, err := Open(t.Context(), options(second))
			if err != nil {
				t.Fatalf("after the end of the first run: %v", err)
			}
			closeLog(t, again)
		})
	}
}

// Where the kernel cannot find another writer, a file with two names is not an output.
func TestASecondNameOnANetworkFileSystem(t *testing.T) {
	needRoot(t)
	p := paths(t)
	dir := filepath.Dir(p.Results)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("ramfs", dir, "ramfs", 0, "mode=700"); err != nil { // a file system that lockInode does not know
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	put(t, p.Results, "")
	if err := os.Link(p.Results, p.Results+"~"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), options(p)); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "hard link") {
		t.Errorf("got %v, want ErrHeld", err)
	}
	if err := os.Remove(p.Results + "~"); err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), options(p))
	if err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
}

// A file of a user's that happens to hold zeros is not a damaged output: it keeps every byte.
func TestAForeignFileWithZerosIsKept(t *testing.T) {
	const database = "SQLite format 3\x00\x10\x00\x01\x01\x00@  \x00"
	p := paths(t)
	put(t, p.Results, database)
	_, err := Open(t.Context(), options(p))
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || get(t, p.Results) != database {
		t.Errorf("got %v, and the file holds %q", err, get(t, p.Results))
	}
}

// What killed processes leave in the run folder and beside the results is removed by the next run.
func TestDraftsOfKilledRunsAreRemoved(t *testing.T) {
	p := paths(t)
	l, _ := open(t, p)
	closeLog(t, l)
	for _, path := range []string{p.Results, p.Errors, p.In("manifest.json")} {
		f, name, err := realDisk{}.Draft(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		defer func() {
			if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v, want no such file", name, err)
			}
		}()
	}
	l, _ = open(t, p)
	closeLog(t, l)
}
