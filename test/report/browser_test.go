package report

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"fluxworker/test/await"
	"fluxworker/test/build"
)

// browser is what make browser gets.
type browser struct{ node, chromium, packages string }

// needBrowser returns the browser, or skips the test on a machine without a browser.
func needBrowser(t *testing.T) browser {
	t.Helper()
	var b browser
	var err error
	if b.node, err = exec.LookPath("node"); err != nil {
		build.Missing(t, "no Node.js, which checks the pages: %v; make browser installs it", err)
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium"} {
		if b.chromium, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		build.Missing(t, "no Chromium; make browser installs it")
	}
	if b.packages, err = filepath.Abs("../../.cache/browser"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(b.packages, "node_modules")); err != nil {
		build.Missing(t, "no packages of npm in %s; make browser gets them", b.packages)
	}
	return b
}

// look opens the pages, and returns what is wrong with each.
func (b browser) look(t *testing.T, pages []string) map[string][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), await.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.node, append([]string{"check.mjs", b.packages, b.chromium, os.Getenv("REPORT_SCREENSHOTS")}, pages...)...)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir()) // Chromium's profile
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("check the pages: %v", err)
	}
	var findings map[string][]string
	if err := json.Unmarshal(out, &findings); err != nil {
		t.Fatalf("the findings: %v in %s", err, out)
	}
	return findings
}
