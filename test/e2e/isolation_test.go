package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// nobody is a user without any privilege.
const nobody = 65534

// user is whom a job runs as.
type user struct {
	name string
	attr *syscall.SysProcAttr
}

// users are ourselves and, where we can become that, somebody without privilege.
func users() []user {
	list := []user{{fmt.Sprintf("uid %d", os.Getuid()), nil}}
	if os.Getuid() == 0 {
		list = append(list, user{"nobody", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}})
	}
	return list
}

// runAs makes the job somebody else's, in a folder of his with his own copies of everything, since he cannot read ours.
func (j *job) runAs(u user, g generation) {
	j.t.Helper()
	if u.attr == nil {
		return
	}
	dir, err := os.MkdirTemp("", "fluxworker-e2e-")
	if err != nil {
		j.t.Fatal(err)
	}
	j.t.Cleanup(func() { os.RemoveAll(dir) })
	engine := filepath.Join(dir, "engine")
	for _, err := range []error{
		os.CopyFS(filepath.Join(engine, "bin"), os.DirFS(filepath.Dir(g.ollama))),
		os.CopyFS(filepath.Join(engine, "models"), os.DirFS(g.models)),
		os.CopyFS(filepath.Join(dir, "program"), os.DirFS(filepath.Dir(j.binary))),
		os.Mkdir(filepath.Join(dir, "tmp"), 0o700),
	} {
		if err != nil {
			j.t.Fatal(err)
		}
	}
	j.dir, j.attr, j.binary = dir, u.attr, filepath.Join(dir, "program", filepath.Base(j.binary))
	j.args = append(j.args, "--ollama", filepath.Join(engine, "bin", filepath.Base(g.ollama)), "--ollama-models", filepath.Join(engine, "models"))
}

// own makes all of the job's files its user's.
func (j *job) own() {
	j.t.Helper()
	if j.attr == nil {
		return
	}
	err := filepath.WalkDir(j.dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	})
	if err != nil {
		j.t.Fatal(err)
	}
}

// Root or not, a run keeps its server to itself where it can, and nothing of it outlives a killed worker or guard.
func TestIsolation(t *testing.T) {
	const rows = 200
	listens := regexp.MustCompile(`Listening on (127\.0\.0\.1:\d+)`)
	oneEngine(t, func(t *testing.T, g generation) {
		for _, u := range users() {
			t.Run(u.name, func(t *testing.T) {
				eachIsolation(t, func(t *testing.T, isolate string) {
					j := newJob(t, g, "--isolate", isolate)
					j.runAs(u, g)
					j.writeRows(rows)
					j.own()
					cmd := j.start()
					j.await("answers", func() bool { return j.answered() >= 20 })
					var manifest struct {
						Plan struct{ Servers []struct{ Isolated bool } }
					}
					j.read("results.run/manifest.json", &manifest)
					isolated := manifest.Plan.Servers[0].Isolated
					if isolate == "never" && isolated || isolate == "auto" && !isolated && os.Getenv("CI") == "true" {
						t.Errorf("isolated is %t", isolated)
					}
					log, err := os.ReadFile(j.path("results.run/server.log"))
					address := listens.FindSubmatch(log)
					if err != nil || address == nil {
						t.Fatalf("the server's log names no address (%v)", err)
					}
					conn, err := net.DialTimeout("tcp", string(address[1]), 5*time.Second)
					if err == nil {
						conn.Close()
					}
					if refused := errors.Is(err, syscall.ECONNREFUSED); refused != isolated {
						t.Errorf("from outside the port says %v; isolated: %t", err, isolated)
					}
					cmd.Process.Kill()
					j.wait(cmd, -1)
					j.await("the server's end", func() bool { return len(j.processes()) == 0 })

					j.hitInTheMiddle(syscall.SIGKILL, func(j *job) int { return j.process(" guard ", " serve") }, 0)
					j.checkRows(rows)
					j.ownedBy("results.jsonl", u)
				})
			})
		}
	})
}

// ownedBy demands that a file is readable for the job's user alone.
func (j *job) ownedBy(name string, u user) {
	j.t.Helper()
	info, err := os.Stat(j.path(name))
	if err != nil {
		j.t.Fatal(err)
	}
	want := os.Getuid()
	if u.attr != nil {
		want = nobody
	}
	if uid := int(info.Sys().(*syscall.Stat_t).Uid); uid != want || info.Mode().Perm() != 0o600 {
		j.t.Errorf("%s is user %d's with mode %o, want %d's alone", name, uid, info.Mode().Perm(), want)
	}
}
