package release

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/harness"
)

// The page about installing works for a user with a home directory and the files of a release, in the order of the page.
func TestInstallPage(t *testing.T) {
	t.Parallel()
	blocks := harness.Blocks(t, harness.PageOfInstall, "sh")
	if len(blocks) < 3 {
		t.Fatalf("the page has %d blocks", len(blocks))
	}
	page := harness.Page(t, harness.PageOfInstall)
	for _, language := range []string{"bash", "console"} {
		if len(harness.Blocks(t, harness.PageOfInstall, language)) > 0 {
			t.Errorf("the page has blocks of %s, which this test does not run", language)
		}
	}
	newest := "0.34.3" // the default of the script; TestGetOllamaVersions compares it
	r := serveReleases(t)
	r.add(newest, x86, ollamaArchive(t, program(newest)))
	f := newFetcher(t, r.url)
	dir, home := t.TempDir(), t.TempDir()
	files, err := filepath.Glob(filepath.Join(archives(t), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if err := os.Symlink(file, filepath.Join(dir, filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(file); !strings.Contains(page, name) && !strings.Contains(name, "arm64") {
			t.Errorf("the page does not name %s", name)
		}
	}
	got := output(t, dir, append(f.env, "HOME="+home), "bash", "-euc", strings.Join(blocks, ""))
	for _, want := range []string{"fluxworker-0.1.0-linux-amd64.tar.gz: OK\n", "\nfluxworker " + releaseVersion(t), "\n" + home + "/ollama/" + newest + "/bin/ollama\n", "\n" + releaseVersion(t) + ".lua\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}
