package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// nobody is the id of the user nobody, who has no privilege.
const nobody = 65534

// User is a user that jobs run as.
type User struct {
	Name       string
	credential *syscall.Credential // nil for the tests' own
}

// Users returns the tests' own user and, where the tests run as root, a user without any privilege.
func Users() []User {
	list := []User{{Name: fmt.Sprintf("uid %d", os.Getuid())}}
	if os.Getuid() == 0 {
		list = append(list, Nobody())
	}
	return list
}

// Nobody returns the user nobody, who has no privilege. Only root can run a job as nobody.
func Nobody() User {
	return User{"nobody", &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// RunAs makes the job a user's, in a folder with copies of every program, since the user may not enter the tests' own
// folders. The server is set afterwards. Own makes the files the user's.
func (j *Job) RunAs(u User) {
	j.T.Helper()
	if u.credential == nil {
		return
	}
	dir, err := os.MkdirTemp("", "fluxworker-user-")
	if err != nil {
		j.T.Fatal(err)
	}
	j.T.Cleanup(func() { os.RemoveAll(dir) })
	j.Dir, j.user = dir, u.credential
	j.Binary = j.copyIn(j.Binary)
}

// copyIn copies a program into the folder of a job that another user runs, and returns its path.
func (j *Job) copyIn(program string) string {
	j.T.Helper()
	if j.user == nil {
		return program
	}
	to := filepath.Join(j.Dir, "programs", filepath.Base(program))
	// A child copies the program: no child of another test can then hold the copy open for writing while it is started.
	if out, err := exec.Command("install", "-D", "-m", "755", program, to).CombinedOutput(); err != nil {
		j.T.Fatalf("copy %s: %v: %s", program, err, out)
	}
	return to
}

// Own makes all of the job's files its user's.
func (j *Job) Own() {
	j.T.Helper()
	if j.user == nil {
		return
	}
	err := filepath.WalkDir(j.Dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	})
	if err != nil {
		j.T.Fatal(err)
	}
}

// CheckOwned demands that a file belongs to the job's user, who alone may read it.
func (j *Job) CheckOwned(name string) {
	j.T.Helper()
	info, err := os.Stat(j.Path(name))
	if err != nil {
		j.T.Fatal(err)
	}
	want := os.Getuid()
	if j.user != nil {
		want = nobody
	}
	if uid := int(info.Sys().(*syscall.Stat_t).Uid); uid != want || info.Mode().Perm() != 0o600 {
		j.T.Errorf("%s is user %d's with mode %o, want %d's alone", name, uid, info.Mode().Perm(), want)
	}
}

// UseEngine makes the job's server a copy of this Ollama that its user may run.
func (j *Job) UseEngine(g Generation) {
	j.T.Helper()
	models := g.Models
	if j.user != nil {
		models = filepath.Join(j.Dir, "models")
		if err := os.CopyFS(models, os.DirFS(g.Models)); err != nil {
			j.T.Fatal(err)
		}
	}
	j.Args = append(j.Args, "--ollama", "'"+j.copyIn(g.Ollama)+"'", "--ollama-models", models)
}
