// Package fakenvml builds a stand-in for NVIDIA's libnvidia-ml.so.1. A program loads it like the real library, and it
// shows the GPUs of a table.
//
// The library reads the table's file at each call, so a test can change the hardware under a running program. The table
// has one item per line: a word, then keys with values. "#" starts a comment, and a value with blanks needs double
// quotes. An error in the table ends the program that loaded the library with exit code 99.
//
//	sys   driver=550.54.15  init=<NVML code that nvmlInit returns>
//	gpu   uuid=GPU-…  name="NVIDIA A100-SXM4-80GB"  pci=00000000:07:00.0  cc=8.0  mem_mib=81920  used_mib=  reserved_mib=
//	      util=  temp=  power_mw=  energy_mj=  throttle=<mask>  ecc=0|1  ecc_uncorr=  mig=0|1|none  lost=1  perm=1
//	mig   an instance of the gpu above: uuid=MIG-…  profile=1g.10gb  gi=  ci=  mem_mib=9728  used_mib=  perm=1
//	proc  on the gpu or mig above: pid=  used_mib=<n>|na  type=C|G|M (compute, graphics, MPS)
//	xid   of the gpu above: code=79; each line is reported once, also if it appears during a wait
//	on    fn=<function, or *>  gpu=<index>  mig=0|1  and what happens there, before the function does its work:
//	      ret=<NVML code> | hang=1 | crash=1 | print=1 (onto standard output). The first line that fits counts.
//
// An item is one line of the file, although some are shown here on two. If FAKE_NVML_LOG names a file or a pipe, the
// library writes a line with process and function for each call to it. perm=1 means a device of another job, lost=1 a
// device that fell off the bus.
package fakenvml

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fluxworker/test/build"
)

// TwoA100 is a table with two A100-80GB, as seen on a free node.
const TwoA100 = `
gpu uuid=GPU-aaaaaaaa-1111-2222-3333-444444444444 pci=00000000:07:00.0 reserved_mib=692 power_mw=61000 energy_mj=123456789
gpu uuid=GPU-bbbbbbbb-1111-2222-3333-444444444444 pci=00000000:0A:00.0 reserved_mib=692 power_mw=59000 energy_mj=987654321
`

// Build returns a folder with the library, for LD_LIBRARY_PATH.
func Build(t testing.TB) string {
	t.Helper()
	return library(t, &current)
}

// BuildOld returns a folder with the library of an old driver, which lacks newer functions.
func BuildOld(t testing.TB) string {
	t.Helper()
	return library(t, &old)
}

// BuildARM64 returns a folder with the library for programs of arm64.
func BuildARM64(t testing.TB) string {
	t.Helper()
	return library(t, &arm64)
}

// Write replaces the table of a program that loads the library, atomically, also while the program runs.
func Write(t testing.TB, path, table string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// Env writes the table to a file of the test. It returns an environment in which programs load the library of Build's
// or BuildOld's folder and see this table, and the path for further calls of Write.
func Env(t testing.TB, folder, table string) (env []string, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "table")
	Write(t, path, table)
	return append(os.Environ(), "LD_LIBRARY_PATH="+folder, "FAKE_NVML_FILE="+path), path
}

//go:embed lib
var source embed.FS

// variant is a library that is built once.
type variant struct {
	compiler string
	define   string
	once     sync.Once
	dir      string
	err      error
}

var (
	current = variant{compiler: "gcc", define: "CURRENT_DRIVER"}
	old     = variant{compiler: "gcc", define: "FAKE_OLD_DRIVER"}
	arm64   = variant{compiler: "aarch64-linux-gnu-gcc", define: "CURRENT_DRIVER"}
)

func library(t testing.TB, v *variant) string {
	t.Helper()
	build.NeedC(t)
	dir, err := v.built(build.Cache(t))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Library is like Build, for callers that are not tests. It builds the library in the cache folder, unless it exists
// there.
func Library(cache string) (string, error) { return current.built(cache) }

func (v *variant) built(cache string) (string, error) {
	v.once.Do(func() { v.dir, v.err = v.compile(cache) })
	if v.err != nil {
		return "", fmt.Errorf("build the stand-in NVML: %w", v.err)
	}
	return v.dir, nil
}

// compile builds the library in the cache, in a folder named by a hash of its sources, unless it exists there.
func (v *variant) compile(cache string) (string, error) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml").Output()
	if err != nil {
		return "", fmt.Errorf("find go-nvml: %w", err)
	}
	headers := filepath.Join(strings.TrimSpace(string(module)), "pkg", "nvml")
	private, err := os.MkdirTemp(cache, "nvml-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(private)
	hash := sha256.New()
	fmt.Fprintln(hash, v.compiler, v.define, headers)
	err = fs.WalkDir(source, "lib", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := source.ReadFile(path)
		if err != nil {
			return err
		}
		hash.Write(text)
		return os.WriteFile(filepath.Join(private, filepath.Base(path)), text, 0o600)
	})
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, fmt.Sprintf("nvml-%x", hash.Sum(nil)[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	// With -z defs a missing function fails here, and not in the middle of a test.
	cmd := exec.Command(v.compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wl,-z,defs", "-Wl,-soname,libnvidia-ml.so.1", "-D"+v.define,
		"-I"+headers, "-o", "libnvidia-ml.so.1", "nvml.c", "table.c")
	cmd.Dir = private
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	// Another test program may have been faster, with the same result.
	if err := os.Rename(private, dir); err != nil && !isDir(dir) {
		return "", err
	}
	return dir, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
