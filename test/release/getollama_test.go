package release

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"fluxworker/test/await"
	"fluxworker/test/build"
	"fluxworker/test/harness"
)

const (
	script  = "../../scripts/get-ollama.sh"
	version = "0.30.1"
	x86     = "ollama-linux-amd64.tar.zst"
	arm     = "ollama-linux-arm64.tar.zst"
)

// fetcher calls the script into a folder.
type fetcher struct {
	t      *testing.T
	folder string
	env    []string
}

// newFetcher skips the test without the programs that the script needs.
func newFetcher(t *testing.T, from string) *fetcher {
	t.Helper()
	for _, tool := range []string{"curl", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			build.Missing(t, "get-ollama.sh needs %s: run \"make release-tools\"", tool)
		}
	}
	// The name of the machine, for the archives of this test. Its other answers are not asked for.
	tools := t.TempDir()
	f := &fetcher{t: t, folder: filepath.Join(t.TempDir(), "ollama here")}
	f.env = append(os.Environ(), "GET_OLLAMA_FROM="+from, "PATH="+tools+":"+os.Getenv("PATH"), "FAKE_UNAME=Linux x86_64", "no_proxy=127.0.0.1")
	if err := os.WriteFile(filepath.Join(tools, "uname"), []byte("#!/bin/sh\necho \"$FAKE_UNAME\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fetcher) command(args ...string) *exec.Cmd {
	cmd := exec.Command(script, args...)
	cmd.Env = f.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// gets demands that the script ends well, and that standard output is the path of the program.
func (f *fetcher) gets(version string) (stderr string) {
	f.t.Helper()
	var out, said bytes.Buffer
	cmd := f.command("v"+version, f.folder)
	cmd.Stdout, cmd.Stderr = &out, &said
	program := filepath.Join(f.folder, version, "bin", "ollama")
	if err := cmd.Run(); err != nil || out.String() != program+"\n" {
		f.t.Fatalf("%v, standard output %q, want %q\n%s", err, out.String(), program, said.String())
	}
	if out, err := exec.Command(program, "--version").CombinedOutput(); err != nil || !strings.Contains(string(out), version) {
		f.t.Errorf("%s --version: %v\n%s", program, err, out)
	}
	return said.String()
}

// refuses demands that the script ends with an error, which it explains, and prints no path.
func (f *fetcher) refuses(explains string, args ...string) {
	f.t.Helper()
	var out, said bytes.Buffer
	cmd := f.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || out.Len() > 0 || !regexp.MustCompile(explains).MatchString(said.String()) {
		f.t.Errorf("%v: %v, standard output %q, and standard error lacks %q:\n%s", args, err, out.String(), explains, said.String())
	}
}

// leaves demands that these and no other entries are in the folder.
func (f *fetcher) leaves(want string) {
	f.t.Helper()
	if got := left(f.t, f.folder); got != want {
		f.t.Errorf("in the folder: %q, want %q", got, want)
	}
}

func TestOllamaIsFetchedOnceAndBesideOthers(t *testing.T) {
	t.Parallel()
	r := serveReleases(t)
	r.add(version, x86, ollamaArchive(t, program(version)))
	r.add("0.34.3", x86, ollamaArchive(t, program("0.34.3")))
	f := newFetcher(t, r.url)
	f.gets(version)
	f.leaves(version)
	r.seen()
	if said := f.gets(version); !strings.Contains(said, "there already") || len(r.seen()) > 0 {
		t.Errorf("the second call asked the server, or said %q", said)
	}
	f.gets("0.34.3")
	f.leaves(version + " 0.34.3")
	f.gets(version)
}

func TestOllamaOfTheArchitecture(t *testing.T) {
	t.Parallel()
	r := serveReleases(t)
	r.add(version, x86, ollamaArchive(t, program("the wrong one")))
	r.add(version, arm, ollamaArchive(t, program(version)))
	f := newFetcher(t, r.url)
	f.env = append(f.env, "FAKE_UNAME=Linux aarch64")
	f.gets(version)
	f.env = append(f.env, "FAKE_UNAME=Linux ppc64le")
	f.refuses("no Ollama for Linux ppc64le", "0.34.3", f.folder)
}

func TestOllamaFromAFolder(t *testing.T) {
	t.Parallel()
	r := serveReleases(t)
	r.add(version, x86, ollamaArchive(t, program(version)))
	mirror := t.TempDir()
	for path, data := range r.files {
		if err := os.MkdirAll(filepath.Join(mirror, filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(mirror, path), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	newFetcher(t, "file://"+mirror).gets(version)
}

func TestOllamaWithoutRoot(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("the other tests of the script run without root already")
	}
	r := serveReleases(t)
	r.add(version, x86, ollamaArchive(t, program(version)))
	// Neither the repository nor the tests' folders need be readable for others.
	home, err := os.MkdirTemp("/var/tmp", "fluxworker-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(home+"/get-ollama.sh", text, 0o755), os.Chmod(home, 0o755),
		os.Mkdir(home+"/nobody", 0o700), os.Chown(home+"/nobody", 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(home+"/get-ollama.sh", version)
	cmd.Dir = "/"
	cmd.Env = []string{"GET_OLLAMA_FROM=" + r.url, "HOME=" + home + "/nobody", "PATH=/usr/local/bin:/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	if want := home + "/nobody/ollama/" + version + "/bin/ollama\n"; err != nil || string(out) != want {
		t.Errorf("%v, standard output %q, want %q", err, out, want)
	}
}

func TestCutOffDownloadGoesOn(t *testing.T) {
	t.Parallel()
	r := serveReleases(t)
	archive := ollamaArchive(t, program(version))
	r.add(version, x86, archive)
	f := newFetcher(t, r.url)
	r.cut = []int64{1 << 20, 1 << 20}
	f.gets(version)
	f.leaves(version)
	var asked []string
	for _, request := range r.seen() {
		if strings.HasPrefix(request, "GET") && strings.Contains(request, ".zst") {
			asked = append(asked, strings.Fields(request + " bytes=0-")[2])
		}
	}
	if want := fmt.Sprintf("[bytes=0- bytes=%d- bytes=%d-]", 1<<20, 2<<20); fmt.Sprint(asked) != want {
		t.Errorf("the script asked for %v, want %s of %d bytes", asked, want, len(archive))
	}
}

// The script is killed in the middle of its download, and leaves the part of the archive alone. The next call takes it up.
func TestKilledDownloadGoesOn(t *testing.T) {
	t.Parallel()
	r := serveReleases(t)
	r.add(version, x86, ollamaArchive(t, program(version)))
	f := newFetcher(t, r.url)
	stuck, end := make(chan struct{}), make(chan struct{})
	r.cut, r.atCut = []int64{1 << 20}, func() { close(stuck); <-end }
	cmd := f.command(version, f.folder)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-stuck
	part := filepath.Join(f.folder, ".ollama-"+version+"-amd64.part")
	await.Until(t, "a part of the archive", func() bool {
		info, err := os.Stat(part)
		return err == nil && info.Size() > 1<<19 // curl holds back a little
	})
	f.refuses("another get-ollama.sh fetches", version, f.folder)
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	cmd.Wait()
	close(end)
	f.leaves(filepath.Base(part))
	info, err := os.Stat(part)
	if err != nil {
		t.Fatal(err)
	}
	r.seen()
	f.gets(version)
	f.leaves(version)
	if seen := fmt.Sprint(r.seen()); !strings.Contains(seen, fmt.Sprintf("bytes=%d-", info.Size())) {
		t.Errorf("the script did not go on in the middle: %s", seen)
	}
}

// The script is killed while it unpacks. Nothing is at the place of Ollama, and the next call neither fetches the archive again
// nor leaves what the killed one has unpacked.
func TestKilledWhileUnpacking(t *testing.T) {
	t.Parallel()
	r := serveReleases(t)
	r.add(version, x86, ollamaArchive(t, append(program(version), "[ -z \"$HOLD\" ] || { echo >\"$HOLD\"; read -r line <\"$HOLD\"; }\n"...)))
	f := newFetcher(t, r.url)
	hold := filepath.Join(t.TempDir(), "hold")
	if err := syscall.Mkfifo(hold, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := f.command(version, f.folder)
	cmd.Env = append(cmd.Env, "HOLD="+hold)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(hold); err != nil { // until the program has been started
		t.Fatal(err)
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	cmd.Wait()
	f.leaves(".get-ollama-" + version + " .ollama-" + version + "-amd64.part")
	r.seen()
	f.gets(version)
	f.leaves(version)
	if seen := fmt.Sprint(r.seen()); strings.Contains(seen, "GET /v"+version+"/"+x86) {
		t.Errorf("the archive was fetched again: %s", seen)
	}
}

// A server that cannot send the rest of a file sends it all again.
func TestServerWithoutRanges(t *testing.T) {
	t.Parallel()
	r := serveReleases(t)
	r.add(version, x86, ollamaArchive(t, program(version)))
	r.ranges, r.cut = false, []int64{1 << 20}
	newFetcher(t, r.url).gets(version)
}

// What cannot be a part of the archive is fetched anew.
func TestPartOfAnotherArchive(t *testing.T) {
	t.Parallel()
	r := serveReleases(t)
	archive := ollamaArchive(t, program(version))
	r.add(version, x86, archive)
	f := newFetcher(t, r.url)
	if err := os.MkdirAll(f.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.folder, ".ollama-"+version+"-amd64.part"), append([]byte("another"), archive...), 0o600); err != nil {
		t.Fatal(err)
	}
	f.gets(version)
	f.leaves(version)
}

func TestOllamaIsNotTaken(t *testing.T) {
	t.Parallel()
	archive := ollamaArchive(t, program(version))
	path, sums := "/v"+version+"/"+x86, "/v"+version+"/sha256sum.txt"
	for name, c := range map[string]struct {
		archive []byte
		spoil   func(r *releases)
		explain string
		remains string
	}{
		"wrong checksum": {archive, func(r *releases) { r.files[path] = append([]byte("x"), archive[1:]...) },
			"has the checksum [0-9a-f]{64}, and sha256sum.txt says [0-9a-f]{64}.*run the same command again", ""},
		"no checksum":       {archive, func(r *releases) { r.files[sums] = []byte("0  ./other.tgz\n") }, "has no checksum of " + x86, ""},
		"no such version":   {archive, func(r *releases) { clear(r.files) }, "is there a version " + version, ""},
		"no archive":        {archive, func(r *releases) { delete(r.files, path) }, "cannot read http://127.0.0.1:\\d+/v0.30.1/" + x86, ""},
		"too little space":  {archive, func(r *releases) { r.sizes[path] = 1 << 50 }, `MiB free, and Ollama 0\.30\.1 needs up to \d+ MiB.*another folder`, ""},
		"no archive of tar": {[]byte("not an archive"), func(r *releases) {}, "cannot unpack Ollama 0.30.1", ".ollama-0.30.1-amd64.part"},
		"a program that does not start": {ollamaArchive(t, []byte("#!/bin/sh\necho 'GLIBC_2.28 not found' >&2; exit 1\n")), func(r *releases) {},
			"does not start on this machine: GLIBC_2.28 not found.*container", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serveReleases(t)
			r.add(version, x86, c.archive)
			c.spoil(r)
			f := newFetcher(t, r.url)
			f.refuses(c.explain, version, f.folder)
			f.leaves(c.remains)
			if name == "too little space" {
				for _, request := range r.seen() {
					if strings.HasPrefix(request, "GET") && strings.Contains(request, x86) {
						t.Errorf("nevertheless: %s", request)
					}
				}
			}
		})
	}
}

func TestGetOllamaArguments(t *testing.T) {
	t.Parallel()
	f := newFetcher(t, "http://127.0.0.1:1")
	f.refuses("silently cuts long prompts, and fluxworker refuses it; take 0.17.4 or later", "0.17.3", f.folder)
	f.refuses("silently cuts long prompts", "v0.9.12", f.folder)
	for _, wrong := range []string{"latest", "0.34", "0.34.3; reboot", "..", "0.34.3/x"} {
		f.refuses("must be one such as 0.34.3", wrong, f.folder)
	}
	f.refuses("cannot make /dev/null/ollama; name another folder", "0.17.4", "/dev/null/ollama")
	f.refuses(`get-ollama.sh \[VERSION\] \[FOLDER\]`, "--help")
	f.refuses("cannot read the checksums at http://127.0.0.1:1/v0.17.4/", "0.17.4", f.folder)
	if err := os.MkdirAll(f.folder+"/0.18.0", 0o755); err != nil {
		t.Fatal(err)
	}
	f.refuses("is there without bin/ollama; remove it", "0.18.0", f.folder)
	only := t.TempDir()
	for _, tool := range []string{"sh", "sed", "sort", "head", "uname", "tar", "curl", "awk", "sha256sum"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(only, tool)); err != nil {
			t.Fatal(err)
		}
	}
	f.env = append(f.env, "PATH="+only)
	f.refuses("there is no zstd; load the module that has it", "0.17.4", f.folder)
}

// The versions in the script are those of the program, of its tests, of the recipes and of the pages.
func TestGetOllamaVersions(t *testing.T) {
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	for file, pattern := range map[string]string{
		"../../worker/ollama/prepare.go":           `const minVersion = "v([0-9.]+)"`,
		"../engine/n/go.mod":                       `github.com/ollama/ollama v([0-9.]+)`,
		"../../packaging/apptainer/fluxworker.def": `From: ollama/ollama:([0-9.]+)`,
		"../../docs/install.md":                    `get-ollama.sh ([0-9.]+) /scratch`,
	} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindSubmatch(source)
		if found == nil {
			t.Fatalf("%s has no version", file)
		}
		if !bytes.Contains(text, append([]byte("floor="), found[1]...)) && !bytes.Contains(text, append([]byte("version=${1:-"), found[1]...)) {
			t.Errorf("%s says %s, and get-ollama.sh does not", file, found[1])
		}
	}
}

// An Ollama that the script has fetched answers rows.
func TestFetchedOllamaAnswers(t *testing.T) {
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		ollama, err := os.ReadFile(g.Ollama)
		if err != nil {
			t.Fatal(err)
		}
		r := serveReleases(t)
		r.add(version, x86, ollamaArchive(t, ollama))
		f := newFetcher(t, r.url)
		out, err := f.command(version, f.folder).Output()
		if err != nil {
			t.Fatal(err)
		}
		g.Ollama = strings.TrimSpace(string(out))
		j := g.NewJob(t)
		j.WriteRows(20)
		j.Run(0)
		j.CheckRows(20)
	})
}
