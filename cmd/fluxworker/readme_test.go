package main

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func readme(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Each row of the table of faults names the tests that show it, and they are there.
func TestFaultsAreTested(t *testing.T) {
	_, table, _ := strings.Cut(readme(t), "## When something goes wrong")
	table, _, _ = strings.Cut(table, "\n## ")
	tests := make(map[string]bool)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return cmp.Or(err, fs.SkipDir)
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(source, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| [A-Z].*\| ([^|]+) \|$`).FindAllStringSubmatch(table, -1)
	if len(rows) < 15 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	for _, row := range rows {
		names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(row[1], -1)
		if len(names) == 0 {
			t.Errorf("no test in %q", row[0])
		}
		for _, name := range names {
			if !tests[name[1]] {
				t.Errorf("there is no %s, which %q names", name[1], row[0])
			}
		}
	}
}

// The page for those who come from LLMFlux names every setting of a .env that is read, and every flag that it names is there.
func TestPageOfLLMFluxNamesSettings(t *testing.T) {
	data, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	page := regexp.MustCompile(`(?m)^#SBATCH .*`).ReplaceAllString(string(data), "")
	names := []string{dotenvBatchSize, dotenvSaveFrequency, dotenvOllamaHost, dotenvAccount, dotenvPartition, dotenvTime}
	for _, known := range dotenvFlags {
		names = append(names, known.name)
	}
	for _, name := range names {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("the page lacks %s", name)
		}
	}
	known := make(map[string]bool)
	for _, cmd := range rootCommand().Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	}
	for _, m := range regexp.MustCompile(`(?:^|[ `+"`"+`])--([a-z-]+)`).FindAllStringSubmatch(page, -1) {
		name := m[1]
		if !known[string(canonicalName(nil, name))] && llmfluxFlags[name] == "" && name != "nv" {
			t.Errorf("the page names --%s, which no command has", name)
		}
	}
}
