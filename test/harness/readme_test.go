package harness

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A newcomer reads the README in two minutes; everything else is in docs.
func TestREADMEIsShort(t *testing.T) {
	text := Page(t, README)
	if lines := strings.Count(text, "\n"); lines > 150 || len(text) > 8<<10 {
		t.Errorf("the README has %d lines and %d bytes, want 150 and %d at most; move text to docs", lines, len(text), 8<<10)
	}
}

// A command in a block that no test runs may be wrong.
func TestEveryCommandIsRun(t *testing.T) {
	run := map[string]bool{"sh": true, "bash": true, "console": true}
	shown := map[string]bool{"json": true, "yaml": true, "text": true, "lua": true, "mermaid": true, "": true}
	scripts := make(map[string]string) // by the page whose blocks they run
	for page, name := range map[string]string{PageOfLLMFlux: "coming_from_llmflux", PageOfOpenAI: "openai_page"} {
		text, err := os.ReadFile(filepath.Join(root, "cmd/fluxworker/testdata/script", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		scripts[page] = string(text)
	}
	for _, page := range Pages(t) {
		text := Page(t, page)
		fences := regexp.MustCompile("(?m)^[ \t]*```(.*)$").FindAllStringSubmatch(text, -1)
		for i := 0; i < len(fences); i += 2 {
			language := fences[i][1]
			switch {
			case scripts[page] != "":
				if !strings.Contains(scripts[page], "\nblock "+language+" ") {
					t.Errorf("%s has a block of %q, which its script does not run", page, language)
				}
			case page == PageOfContainers && language != "bash":
				t.Errorf("%s has a block of %q; TestPageJobScriptInAContainer runs bash alone", page, language)
			case !run[language] && !shown[language]:
				t.Errorf("%s has a block of %q, which no test knows; use sh, bash or console for commands", page, language)
			}
		}
		for language := range run {
			if n, all := len(Blocks(t, page, language)), strings.Count(text, "```"+language+"\n"); n != all {
				t.Errorf("%s has %d blocks of %s, and a test finds %d; begin each at the start of a line", page, all, language, n)
			}
		}
		for _, block := range Blocks(t, page, "text") {
			if strings.HasPrefix(block, "$ ") {
				t.Errorf("%s shows a command in a block of text; use console", page)
			}
		}
	}
}

// Each relative link leads to a file, and its fragment to a heading.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range Pages(t) {
		for _, m := range regexp.MustCompile(`\]\(([^)#]*)(#[^)]*)?\)`).FindAllStringSubmatch(Page(t, page), -1) {
			target, fragment := m[1], m[2]
			if strings.Contains(target, "://") {
				continue
			}
			target = filepath.Join(filepath.Dir(page), target)
			if m[1] == "" {
				target = page
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			} else if fragment != "" && !hasHeading(Page(t, target), fragment[1:]) {
				t.Errorf("%s links to %s%s, but there is no such heading", page, m[1], fragment)
			}
		}
	}
}

func hasHeading(text, fragment string) bool {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		words := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(words, " ", "-") == fragment {
			return true
		}
	}
	return false
}
