package build

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// maxSize is what users are promised.
const maxSize = 25 << 20

func TestStatic(t *testing.T) {
	path := Fluxworker(t)
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("not static: it has a segment %v", p.Type)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	probe, err := os.ReadFile(Probe(t) + ".zst") // as it is embedded
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(whole, probe) {
		t.Error("the probe is not in fluxworker")
	}
	for what, path := range map[string]string{"fluxworker": path, "the probe": Probe(t)} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", what, info.Size())
		if info.Size() > maxSize {
			t.Errorf("%s has %d bytes, more than %d", what, info.Size(), maxSize)
		}
	}
}

// Nothing is in this root folder: no libraries, no /proc, no /dev/null, no folder for temporary files.
func TestEmptyRoot(t *testing.T) {
	if os.Getuid() != 0 {
		Missing(t, "changing the root folder takes root")
	}
	bin, err := os.Open(Fluxworker(t))
	if err != nil {
		t.Fatal(err)
	}
	defer bin.Close()
	root := t.TempDir()
	if err := os.Link(bin.Name(), root+"/fluxworker"); err != nil {
		copyFile(t, bin, root+"/fluxworker")
	}
	for args, want := range map[string]string{"version": "fluxworker", "models": "llama3.2"} {
		cmd := exec.Command("/fluxworker", args)
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
		cmd.Dir, cmd.Env = "/", []string{"LD_BIND_NOW=1"}
		cmd.Stdin = bin // any file; there is no /dev/null
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("fluxworker %s: %v\n%s", args, err, out)
		}
	}
}

func copyFile(t *testing.T, from *os.File, to string) {
	t.Helper()
	// See gpu's inFolder: no child may be forked while the file is open for writing.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadFrom(from); err != nil {
		t.Fatal(err)
	}
}
