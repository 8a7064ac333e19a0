package harness

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

const (
	root = "../.."
	// README is the first page of the documentation.
	README = "README.md"
	// PageOfLLMFlux has blocks that need a reader who has used LLMFlux: cmd/fluxworker/testdata/script/coming_from_llmflux.txtar
	// runs them, and the tests of the other pages leave the page out.
	PageOfLLMFlux = "docs/coming-from-llmflux.md"
	// PageOfContainers has a job script that needs Apptainer: test/containers runs it, and TestPageJobScripts leaves it out.
	PageOfContainers = "docs/containers.md"
	// PageOfOpenAI has commands for servers that no test machine has: the script openai_page of cmd/fluxworker runs them with a stand-in.
	PageOfOpenAI = "docs/openai-servers.md"
	// PageOfInstall has blocks that need the archives of a release: TestInstallPage runs them.
	PageOfInstall = "docs/install.md"
)

// Pages lists the pages of the documentation by their paths from the repository's root, the README first. A test runs each
// command on them, by the language of its fenced block: TestPageCommands runs sh, TestPageJobScripts runs bash, and
// TestPageCommandsOnACluster runs console.
func Pages(t *testing.T) []string {
	t.Helper()
	pages := []string{README}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			page, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			if page != README {
				pages = append(pages, page)
			}
		}
	}
	return pages
}

// Page returns the text of a page.
func Page(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Blocks returns the fenced blocks of one language on a page.
func Blocks(t *testing.T, page, language string) []string {
	t.Helper()
	var found []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(Page(t, page), -1) {
		found = append(found, m[1])
	}
	return found
}

// EachBlock calls do for each fenced block of one language on all pages but those with tests of their own. A test that finds fewer
// than the least number of blocks fails.
func EachBlock(t *testing.T, language string, least int, do func(page, block string)) {
	t.Helper()
	n := 0
	for _, page := range Pages(t) {
		if page == PageOfLLMFlux || page == PageOfOpenAI || page == PageOfContainers || page == PageOfInstall {
			continue
		}
		for _, block := range Blocks(t, page, language) {
			do(page, block)
			n++
		}
	}
	if n < least {
		t.Errorf("the pages have %d blocks of %s, want %d at least", n, language, least)
	}
}
