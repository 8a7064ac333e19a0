// Package build builds for tests what "make build" builds for users: the probe, and fluxworker with the probe in it. Each
// is built once in a test run, in .cache/test of the repository; what is up to date comes out of Go's build cache.
package build

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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

// Program is Fluxworker for those who are no test.
func Program() (string, error) { return fluxworker() }

// Folder is Cache for those who are no test.
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

var fluxworker = sync.OnceValues(func() (string, error) {
	bin, err := probe()
	if err != nil {
		return "", err
	}
	root, err := root()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "fluxworker-build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	// Not in its place: another test might be building there, and "make build" has its own.
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, "gpu", "probe.bin"): bin}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return "", err
	}
	return program("fluxworker", []string{"CGO_ENABLED=0"}, "-tags", "fluxworker_probe", "-overlay", file, "-ldflags", "-s -w", "fluxworker/cmd/fluxworker")
})

// program builds a program into the cache.
func program(name string, env []string, args ...string) (string, error) {
	dir, err := cache()
	if err != nil {
		return "", err
	}
	private, err := os.MkdirTemp(dir, name+"-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(private)
	built := filepath.Join(private, name)
	cmd := exec.Command("go", append([]string{"build", "-trimpath", "-o", built}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	path := filepath.Join(dir, name)
	return path, os.Rename(built, path)
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
