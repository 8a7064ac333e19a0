package fakeollama

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The page names each flag and each kind of fault, and no flag that there is not.
func TestPageNamesFlags(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	var usage bytes.Buffer
	if _, err := parse([]string{"--help"}, nil, &usage); err == nil {
		t.Fatal("--help was taken for a command")
	}
	known := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^  -([a-z-]+)`).FindAllStringSubmatch(usage.String(), -1) {
		known[m[1]] = true
		if !strings.Contains(page, "`--"+m[1]) {
			t.Errorf("the page lacks --%s", m[1])
		}
	}
	for _, k := range kinds() {
		if !strings.Contains(page, "`"+string(k)+"`") {
			t.Errorf("the page lacks the fault %s", k)
		}
	}
	for _, m := range regexp.MustCompile("`--([a-z-]+)").FindAllStringSubmatch(page, -1) {
		if !known[m[1]] {
			t.Errorf("the page names --%s, which there is not", m[1])
		}
	}
}
