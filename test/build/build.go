// Package build builds for tests what "make build" builds for users: the probe, and fluxworker with the probe in it. Each
// is built once in a test run, in .cache/test of the repository; what is up to date comes out of Go's build cache.
package build

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Probe returns the path of the program that asks NVML.
func Probe(t testing.TB) string {
	t.Helper()
	NeedC(t)
	return result(t, probe)
}

// Fluxworker returns the path of the static program with the probe in it.
func Fluxworker(t testing.TB) string {
	t.Helper()
	NeedC(t)
	return result(t, fluxworker)
}

// UnderTest is Fluxworker, but for tests that run with the race detector: their program does, too, and is not static.
func UnderTest(t testing.TB) string {
	t.Helper()
	NeedC(t)
	if RaceDetector {
		return result(t, raced)
	}
	return result(t, fluxworker)
}

// Program is Fluxworker for callers that are no test.
func Program() (string, error) { return fluxworker() }

// Static builds a program of this module that needs no C library, and returns its path.
func Static(name, pkg string) (string, error) {
	return program(name, []string{"CGO_ENABLED=0"}, pkg)
}

// StaticFor is Static for another architecture, such as arm64. The name must say which.
func StaticFor(arch, name, pkg string) (string, error) {
	return program(name, []string{"CGO_ENABLED=0", "GOARCH=" + arch}, pkg)
}

// Folder is Cache for callers that are no test.
func Folder() (string, error) { return cache() }

// Cache returns a folder for what tests build. Test programs of several packages run at the same time, so a file must
// appear in it whole, by a rename.
func Cache(t testing.TB) string {
	t.Helper()
	return result(t, cache)
}

// NeedC skips a test where there is no C compiler, and fails it in CI: the suite must not become green by testing
// nothing.
func NeedC(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		Missing(t, "no C compiler: %v", err)
	}
}

// Missing skips a test for want of what it needs, and fails it in CI.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func result(t testing.TB, made func() (string, error)) string {
	t.Helper()
	path, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var probe = sync.OnceValues(func() (string, error) {
	return program("nvmlprobe", []string{"CGO_ENABLED=1"}, "-ldflags", "-s -w -extldflags=-Wl,-z,lazy", "fluxworker/gpu/nvmlprobe")
})

var (
	fluxworker = sync.OnceValues(func() (string, error) {
		return withProbe("fluxworker", []string{"CGO_ENABLED=0"}, "-ldflags", "-s -w")
	})
	raced = sync.OnceValues(func() (string, error) {
		return withProbe("fluxworker-race", []string{"CGO_ENABLED=1"}, "-race")
	})
)

// withProbe builds fluxworker with the probe in it.
func withProbe(name string, env []string, args ...string) (string, error) {
	bin, err := probe()
	if err != nil {
		return "", err
	}
	root, err := root()
	if err != nil {
		return "", err
	}
	dir, err := cache()
	if err != nil {
		return "", err
	}
	compress := exec.Command("go", "run", "fluxworker/gpu/nvmlprobe/compress", bin)
	if out, err := compress.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compress the probe: %w\n%s", err, out)
	}
	// Not in its place: "make build" has its own.
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, "gpu", "probe.bin.zst"): bin + ".zst"}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := replace(file, overlay); err != nil {
		return "", err
	}
	return program(name, env, append(args, "-tags", "fluxworker_probe", "-overlay", file, "fluxworker/cmd/fluxworker")...)
}

// program builds a program into the cache. Test programs of several packages come here at the same time: one builds, and the
// others find it up to date, which go build sees from what is there. The program changes its file only when it is another,
// and whole, since some of them may be running it.
func program(name string, env []string, args ...string) (string, error) {
	dir, err := cache()
	if err != nil {
		return "", err
	}
	path, next := filepath.Join(dir, name), filepath.Join(dir, name+".next")
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	cmd := exec.Command("go", append([]string{"build", "-trimpath", "-o", next}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	built, err := os.Stat(next)
	if err != nil {
		return "", err
	}
	if now, err := os.Stat(path); err == nil && os.SameFile(now, built) {
		return path, nil
	}
	link := path + ".link"
	os.Remove(link) // of a test program that was killed
	if err := os.Link(next, link); err != nil {
		return "", err
	}
	return path, os.Rename(link, path)
}

// replace writes a file that other processes may be reading.
func replace(path string, data []byte) error {
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return err
	}
	_, err = draft.Write(data)
	if err := errors.Join(err, draft.Close()); err != nil {
		return err
	}
	return os.Rename(draft.Name(), path)
}

var cache = sync.OnceValues(func() (string, error) {
	root, err := root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, ".cache", "test")
	return dir, os.MkdirAll(dir, 0o755)
})

// root is the repository's.
var root = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module's root: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
})
