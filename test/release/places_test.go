package release

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fluxworker/test/build"
	"fluxworker/test/fakenvml"
	"fluxworker/test/harness"
)

// place returns a root folder that test/release/install.sh has unpacked.
func place(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(root, ".cache/release", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		build.Missing(t, "no root folder for the test: %v; run \"make release-tools\"", err)
	}
	return dir
}

// Beside the archive there is a C library of 2020 and nothing else: no shell, no other library. The older glibc for which the
// probe is linked cannot be had; glibcfloor checks in each build that the probe names no function of a later one than 2.17.
func TestOldLibraries(t *testing.T) {
	t.Parallel()
	old := place(t, "old-amd64")
	standIn, err := build.Static("release-fakeollama", standInPackage)
	if err != nil {
		t.Fatal(err)
	}
	j := harness.New(t)
	r := room{Root: t.TempDir(), Dir: "/job", Binds: map[string]string{
		"lib": old + "/lib", "lib64": old + "/lib64", "proc": "/proc", "dev": "/dev", "tmp": t.TempDir(), "job": j.Dir,
		"fluxworker": unpacked(t, "amd64"), "nvml": fakenvml.Build(t), "programs": filepath.Dir(standIn)}}
	env := []string{"LD_LIBRARY_PATH=/nvml", "HOME=/tmp", "FAKE_NVML_FILE=table"}
	starts(t, r, j, env, "/fluxworker/bin/fluxworker", "linux/amd64")
	j.WriteRows(20)
	r.output(t, env, 0, append(append([]string{"/fluxworker/bin/fluxworker"}, j.Args...),
		"--ollama", "/programs/"+filepath.Base(standIn), "--ollama-models", ".")...)
	j.CheckRows(20)
}

// The program for arm64 runs under qemu-user, with an old C library of arm64. It asks a stand-in of arm64 that already runs:
// qemu-user lacks a system call of the guard, by which a worker starts its own server (prctl's PR_SET_CHILD_SUBREAPER).
func TestARM64(t *testing.T) {
	t.Parallel()
	needCompilers(t)
	qemu, err := exec.LookPath("qemu-aarch64")
	if err != nil {
		build.Missing(t, "no qemu-user for programs of arm64: %v; run \"make release-tools\"", err)
	}
	standIn, err := build.StaticFor("arm64", "release-fakeollama-arm64", standInPackage)
	if err != nil {
		t.Fatal(err)
	}
	j := harness.New(t)
	r := room{Dir: j.Dir, QEMU: qemu}
	env := []string{"QEMU_LD_PREFIX=" + place(t, "old-arm64"), "LD_LIBRARY_PATH=" + fakenvml.BuildARM64(t), "HOME=" + j.Dir, "FAKE_NVML_FILE=table"}
	program := filepath.Join(unpacked(t, "arm64"), "bin/fluxworker")
	starts(t, r, j, env, program, "linux/arm64")
	j.WriteRows(20)
	r.output(t, env, 0, append(append([]string{program}, j.Args...), "--ollama-url", serve(t, r, append(env, "OLLAMA_HOST=127.0.0.1:0"), standIn, "serve"))...)
	j.CheckRows(20)
}

const standInPackage = "fluxworker/test/fakeollama/cmd/fakeollama"

// starts demands that the program starts, plans, and finds a GPU by the probe in it.
func starts(t *testing.T, r room, j *harness.Job, env []string, program, platform string) {
	t.Helper()
	fakenvml.Write(t, j.Path("table"), fakenvml.TwoA100)
	if got := r.output(t, env, 0, program, "version"); !strings.Contains(got, platform) || !strings.Contains(got, "fluxworker "+releaseVersion(t)) {
		t.Errorf("version: %s", got)
	}
	if got := r.output(t, env, 0, program, "plan", "--model", "llama3.2:3b", "--gpu", "2xA100-80GB"); !strings.Contains(got, "server 2 ") {
		t.Errorf("plan for GPUs that are not here: %s", got)
	}
	got := r.output(t, env, 0, program, "plan", "--model", "llama3.2:3b", "--log-level", "debug")
	if !strings.Contains(got, "source=nvml") || !strings.Contains(got, "uuid=GPU-aaaaaaaa") {
		t.Errorf("plan does not ask NVML: %s", got)
	}
}

// serve starts a stand-in server in a room for the time of the test, and returns its address.
func serve(t *testing.T, r room, env []string, args ...string) (url string) {
	t.Helper()
	cmd := r.command(t, env, args...)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(log)
	var said strings.Builder
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if m := regexp.MustCompile(`Listening on (127\.0\.0\.1:\d+)`).FindStringSubmatch(lines.Text()); m != nil {
			return "http://" + m[1]
		}
	}
	t.Fatalf("the server ended:\n%s", said.String())
	return ""
}

// On a bare Debian 12 the archive is unpacked by Debian's own tar, and a real Ollama, started from a folder, answers.
func TestBareDebian(t *testing.T) {
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		j := harness.New(t)
		r := debian(t, map[string]string{"release": archives(t), "job": j.Dir, "ollama": filepath.Dir(filepath.Dir(g.Ollama)), "models": g.Models})
		env := []string{"HOME=/tmp", "PATH=/usr/bin:/bin"}
		name := "fluxworker-" + releaseVersion(t) + "-linux-amd64"
		r.output(t, env, 0, "/bin/tar", "-xzf", "/release/"+name+".tar.gz", "-C", "/opt")
		j.WriteRows(20)
		r.output(t, env, 0, append(append([]string{"/opt/" + name + "/bin/fluxworker"}, j.Args...), "--ollama", "/ollama/bin/ollama", "--ollama-models", "/models")...)
		j.CheckRows(20)
	})
}

// debian makes a room with the files of a bare Debian 12, which a test may change, and these folders.
func debian(t *testing.T, binds map[string]string) room {
	t.Helper()
	r := room{Root: t.TempDir(), Dir: "/", Binds: map[string]string{"proc": "/proc", "dev": "/dev", "tmp": t.TempDir(), "opt": t.TempDir()}}
	for _, folder := range []string{"bin", "etc", "lib", "lib64", "usr", "sbin"} {
		r.Binds[folder] = filepath.Join(place(t, "debian"), folder)
	}
	for at, folder := range binds {
		r.Binds[at] = folder
	}
	if _, ok := binds["job"]; ok {
		r.Dir = "/job"
	}
	return r
}

// Both programs for module files load the one of their kind from the archive's folder, wherever it is.
func TestModuleFiles(t *testing.T) {
	t.Parallel()
	for tool, init := range map[string]string{"Lmod": "/usr/share/lmod/lmod/init/bash", "Environment Modules": "/usr/share/modules/init/bash"} {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			r := debian(t, map[string]string{"sw/some place": unpacked(t, "amd64")})
			got := r.output(t, []string{"HOME=/tmp", "PATH=/usr/bin:/bin"}, 0, "/bin/bash", "-c", `
				. "$0"
				module use "/sw/some place/share/modulefiles"
				module load fluxworker || exit
				fluxworker version
				printf '%s\n' "manual $MANPATH" "data $XDG_DATA_DIRS"
				module unload fluxworker
				command -v fluxworker || echo gone`, init)
			for _, want := range []string{"fluxworker " + releaseVersion(t), "manual /sw/some place/share/man", "data /sw/some place/share", "\ngone\n"} {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in %s", want, got)
				}
			}
		})
	}
}
