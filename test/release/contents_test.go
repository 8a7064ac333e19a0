package release

import (
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The same sources give the same bytes: in another folder, with other settings of the caller, at another time.
func TestReleaseIsReproducible(t *testing.T) {
	first := archives(t)
	copied, second := t.TempDir(), t.TempDir()
	output(t, root, nil, "bash", "-c",
		`set -o pipefail; git ls-files -z --cached --others --exclude-standard | tar --null -T - --ignore-failed-read -c | tar -xC "$0"`, copied)
	version := output(t, "", nil, filepath.Join(unpacked(t, "amd64"), "bin", "fluxworker"), "version")
	date := strings.TrimSpace(output(t, root, nil, "git", "log", "-1", "--format=%ct"))
	if err := makeRelease(copied, second, "RELEASE="+strings.Fields(version)[1], "SOURCE_DATE_EPOCH="+date,
		"TZ=Asia/Tokyo", "GOAMD64=v3", "GOFLAGS=-v", "CGO_CFLAGS=-O1", "MAKEFLAGS=-e"); err != nil {
		t.Fatal(err)
	}
	sums := func(dir string) string {
		text, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if a, b := sums(first), sums(second); a != b || strings.Count(a, "\n") < 7 {
		t.Errorf("once:\n%s\nand once more:\n%s", a, b)
	}
	output(t, first, nil, "sha256sum", "--check", "SHA256SUMS")
}

func TestReleaseContents(t *testing.T) {
	t.Parallel()
	for _, arch := range architectures {
		t.Run(arch, func(t *testing.T) {
			t.Parallel()
			dir := unpacked(t, arch)
			want := []string{"CHANGELOG.md", "LICENSE", "THIRD-PARTY-LICENCES.txt", "bin/fluxworker", "bin/get-ollama.sh",
				"share/bash-completion/completions/fluxworker", "share/fish/vendor_completions.d/fluxworker.fish",
				"share/zsh/site-functions/_fluxworker", "share/modulefiles/fluxworker/" + releaseVersion(t), "share/modulefiles/fluxworker/" + releaseVersion(t) + ".lua"}
			for _, command := range []string{"", "-run", "-plan", "-validate", "-status", "-merge", "-models", "-pull", "-version"} {
				want = append(want, "share/man/man1/fluxworker"+command+".1")
			}
			scripts, err := filepath.Glob(filepath.Join(root, "scripts/sbatch/*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, script := range scripts {
				want = append(want, "share/fluxworker/sbatch/"+filepath.Base(script))
			}
			for _, file := range want {
				if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
					t.Error(err)
				}
			}
			checkModes(t, dir)
			checkProgram(t, filepath.Join(dir, "bin/fluxworker"), arch)
		})
	}
}

// checkModes demands that each user of the machine can read the files, and only root change them.
func checkModes(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if mode := info.Mode().Perm(); err == nil && mode != 0o755 && (d.IsDir() || mode != 0o644) {
			t.Errorf("%s has the mode %o", path, mode)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkProgram demands a static program of the architecture, with the release in it.
func checkProgram(t *testing.T, path, arch string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]; f.Machine != want {
		t.Errorf("the program is for %v, want %v", f.Machine, want)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("not static: it has a segment %v", p.Type)
		}
	}
}

// Each module in the program is in the bill of materials and has its licence in the archive.
func TestReleaseInventory(t *testing.T) {
	t.Parallel()
	for _, arch := range architectures {
		t.Run(arch, func(t *testing.T) {
			t.Parallel()
			dir := unpacked(t, arch)
			info, err := buildinfo.ReadFile(filepath.Join(dir, "bin/fluxworker"))
			if err != nil {
				t.Fatal(err)
			}
			licences, err := os.ReadFile(filepath.Join(dir, "THIRD-PARTY-LICENCES.txt"))
			if err != nil {
				t.Fatal(err)
			}
			archive := filepath.Join(archives(t), filepath.Base(dir))
			text, err := os.ReadFile(archive + ".cdx.json")
			if err != nil {
				t.Fatal(err)
			}
			packed, err := os.ReadFile(archive + ".tar.gz")
			if err != nil {
				t.Fatal(err)
			}
			if sum := fmt.Sprintf("%x", sha256.Sum256(packed)); !strings.Contains(string(text), sum) {
				t.Errorf("the bill is not that of the archive %s", sum)
			}
			var bill struct {
				BOMFormat, SpecVersion string
				Components             []struct {
					Name, Version, PURL string
					Licenses            []struct{ Expression string }
				}
			}
			if err := json.Unmarshal(text, &bill); err != nil || bill.BOMFormat != "CycloneDX" || bill.SpecVersion != "1.5" {
				t.Fatalf("%v, %+v", err, bill)
			}
			listed := make(map[string]string)
			for _, c := range bill.Components {
				listed[c.Name+" "+c.Version] = c.Licenses[0].Expression
				if c.PURL != "pkg:golang/"+c.Name+"@"+c.Version {
					t.Errorf("%s has the address %s", c.Name, c.PURL)
				}
			}
			want := []string{"std " + strings.TrimPrefix(info.GoVersion, "go"), "github.com/NVIDIA/go-nvml v0.13.4-1"} // the last is in the probe
			for _, m := range info.Deps {
				want = append(want, m.Path+" "+m.Version)
			}
			for _, module := range want {
				if listed[module] == "" {
					t.Errorf("%s is not in the bill, or has no licence there", module)
				}
				if !strings.Contains(string(licences), "\n"+module+" ("+listed[module]+")\n\n--- ") {
					t.Errorf("the licence of %s is missing", module)
				}
			}
			if len(want) < 15 || len(listed) != len(want) {
				t.Errorf("the bill has %d modules, want the %d of the program", len(listed), len(want))
			}
		})
	}
}

// The shells read the completions, and fluxworker answers them.
func TestReleaseCompletions(t *testing.T) {
	t.Parallel()
	dir := unpacked(t, "amd64")
	if got := output(t, "", nil, "bash", "--norc", "-c", `. "$0"; complete -p fluxworker`,
		filepath.Join(dir, "share/bash-completion/completions/fluxworker")); !strings.Contains(got, "-F __start_fluxworker fluxworker") {
		t.Errorf("bash: %s", got)
	}
	if got := output(t, "", nil, filepath.Join(dir, "bin/fluxworker"), "__complete", "run", "--model"); !strings.Contains(got, "--model-config\t") {
		t.Errorf("the program completes --model with %q", got)
	}
	for shell, file := range map[string]string{"zsh": "zsh/site-functions/_fluxworker", "fish": "fish/vendor_completions.d/fluxworker.fish"} {
		if _, err := exec.LookPath(shell); err != nil {
			t.Logf("%s is not here", shell) // its script comes from the same library
			continue
		}
		output(t, "", nil, shell, "-n", filepath.Join(dir, "share", file))
	}
}

// A manual page has the tables of the help in lines of their own.
func TestReleaseManualPages(t *testing.T) {
	t.Parallel()
	dir := unpacked(t, "amd64")
	for command, want := range map[string]string{"": "\n75  stopped early by a signal", "-run": "\n75  stopped early by a signal", "-status": "\nfinished  the last run"} {
		page, err := os.ReadFile(filepath.Join(dir, "share/man/man1/fluxworker"+command+".1"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(page), want) || !strings.Contains(string(page), `"fluxworker `+releaseVersion(t)) {
			t.Errorf("fluxworker%s.1 lacks %q, or the version:\n%s", command, want, page)
		}
	}
}

func TestRecipes(t *testing.T) {
	t.Parallel()
	dir, version := archives(t), releaseVersion(t)
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	for _, recipe := range []string{"fluxworker-" + version + ".eb", "package.py", "fluxworker-" + version + ".def"} {
		text, err := os.ReadFile(filepath.Join(dir, recipe))
		if err != nil {
			t.Fatal(err)
		}
		if left := regexp.MustCompile(`@[A-Z0-9_]+@`).Find(text); left != nil {
			t.Errorf("%s still has %s", recipe, left)
		}
		var named []string
		for _, m := range regexp.MustCompile(`\b[0-9a-f]{64}\b`).FindAll(text, -1) {
			named = append(named, string(m))
		}
		for _, arch := range architectures {
			sum := regexp.MustCompile(`([0-9a-f]{64})  fluxworker-.*-` + arch + `\.tar\.gz`).FindSubmatch(sums)
			if sum == nil || !slices.Contains(named, string(sum[1])) || !strings.Contains(string(text), version) {
				t.Errorf("%s does not name the archive for %s", recipe, arch)
			}
		}
		if filepath.Ext(recipe) == ".def" {
			continue
		}
		// EasyBuild and Spack execute their recipes as Python.
		cmd := exec.Command("python3", "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())", filepath.Join(dir, recipe))
		if out, err := cmd.CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
			t.Log("no python3 here to read the recipes")
		} else if err != nil {
			t.Errorf("%s: %v\n%s", recipe, err, out)
		}
	}
}
