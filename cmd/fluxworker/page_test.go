package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// pagePath is the page for users of LLMFlux.
const pagePath = "../../docs/coming-from-llmflux.md"

// block LANGUAGE FILE [N] writes a fenced block of the page that the variable PAGE names to a file, so that what the page shows is what
// is run. The page has one block of the language, or N, of which all are written one after the other.
func pageBlock(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: block LANGUAGE FILE [N]")
	}
	want := 1
	if len(args) == 3 {
		var err error
		want, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	page, err := os.ReadFile(filepath.Join("../../docs", ts.Getenv("PAGE")))
	ts.Check(err)
	blocks := regexp.MustCompile("(?s)```"+args[0]+"\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) != want {
		ts.Fatalf("the page has %d blocks of %s, want %d", len(blocks), args[0], want)
	}
	var all []byte
	for _, b := range blocks {
		all = append(all, b[1]...)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), all, 0o600))
}
