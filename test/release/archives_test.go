package release

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fluxworker/test/build"
)

const root = "../.."

// architectures are those of the archives.
var architectures = []string{"amd64", "arm64"}

// archives returns the folder that "make release" has filled. It is made once for all tests.
func archives(t *testing.T) string {
	t.Helper()
	needCompilers(t)
	dir, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func needCompilers(t *testing.T) {
	t.Helper()
	for _, program := range []string{"x86_64-linux-gnu-gcc", "aarch64-linux-gnu-gcc"} {
		if _, err := exec.LookPath(program); err != nil {
			build.Missing(t, "no compiler for both architectures: %v; run packaging/install.sh as root", err)
		}
	}
}

var made = sync.OnceValues(func() (string, error) {
	cache, err := build.Folder()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "release")
	return dir, makeRelease(root, dir)
})

// makeRelease runs "make release" in a source folder, with more of an environment.
func makeRelease(source, dir string, env ...string) error {
	cmd := exec.Command("make", "--no-print-directory", "release", "DIST="+dir)
	cmd.Dir, cmd.Env = source, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make release: %w\n%s", err, out)
	}
	return nil
}

// releaseVersion is the version in the names of the archives.
func releaseVersion(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// unpacked returns the folder that the archive of an architecture becomes, unpacked by tar in a new folder.
func unpacked(t *testing.T, arch string) string {
	t.Helper()
	name := fmt.Sprintf("fluxworker-%s-linux-%s", releaseVersion(t), arch)
	dir := t.TempDir()
	output(t, "", nil, "tar", "-xzf", filepath.Join(archives(t), name+".tar.gz"), "-C", dir)
	return filepath.Join(dir, name)
}

// output runs a program in a folder, and demands that it succeeds.
func output(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, env
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s%s", args, err, out, problem.String())
	}
	return string(out)
}
