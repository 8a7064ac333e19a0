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

// Each row of the table of faults names the tests that show it.
func TestFaultsAreTested(t *testing.T) {
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## When something goes wrong")
	rows := regexp.MustCompile(`(?m)^\| [A-Z].*\| ([^|]+) \|$`).FindAllStringSubmatch(table, -1)
	if len(rows) < 15 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	for _, row := range rows {
		if !regexp.MustCompile("`Test\\w+`").MatchString(row[1]) {
			t.Errorf("no test in %q", row[0])
		}
	}
}

// Each test that a page names is there.
func TestPagesNameTests(t *testing.T) {
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
	eachPage(t, func(path, page string) {
		for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+\b[^…]`).FindAllString(page, -1) {
			if name = name[:len(name)-1]; !tests[name] {
				t.Errorf("there is no %s, which %s names", name, path)
			}
		}
	})
}

// eachPage calls do for each page of the documentation.
func eachPage(t *testing.T, do func(path, page string)) {
	t.Helper()
	for _, pattern := range []string{"../../*.md", "../../docs/*.md"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			page, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			do(path, string(page))
		}
	}
}

// The page about LLMFlux names every setting of a .env that has an effect.
func TestPageOfLLMFluxNamesSettings(t *testing.T) {
	page, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{dotenvBatchSize, dotenvSaveFrequency, dotenvOllamaHost, dotenvAccount, dotenvPartition, dotenvTime}
	for _, known := range dotenvFlags {
		names = append(names, known.name)
	}
	for _, name := range names {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("the page lacks %s", name)
		}
	}
}

// foreignFlags are flags of other programs that the pages name.
var foreignFlags = map[string]bool{
	"nv": true, "userns": true, "cleanenv": true, "containall": true, "env": true, // apptainer
	"partition": true, "account": true, "array": true, "gres": true, "mem": true, "cpus-per-task": true, "time": true, "pty": true, // sbatch, srun
	"qos": true, "constraint": true, "me": true, // sbatch, squeue
	"merge":     true,                                             // llama-gguf-split
	"collector": true,                                             // Prometheus' node exporter
	"host":      true, "port": true, "tensor-parallel-size": true, // vllm
}

// Each flag and variable that a page names is a present one. The page about LLMFlux and the page of flags
// also name former spellings, and the former names flags of llmflux.
func TestPagesNameFlags(t *testing.T) {
	flags, variables := make(map[string]bool), make(map[string]bool)
	for _, cmd := range rootCommand().Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { flags[f.Name], variables[variable(f.Name)] = true, true })
	}
	eachPage(t, func(path, text string) {
		if path == "../../CHANGELOG.md" { // which also tells of what was
			return
		}
		page := regexp.MustCompile(`(?m)^#SBATCH .*`).ReplaceAllString(text, "")
		for _, m := range regexp.MustCompile("(?:^|[ `(])--([a-z][a-z-]*)").FindAllStringSubmatch(page, -1) {
			name := m[1]
			former := aliases[name] != "" && (path == pagePath || path == flagsPage)
			ofLLMFlux := llmfluxFlags[name] != "" && path == pagePath
			if !flags[name] && !foreignFlags[name] && !former && !ofLLMFlux {
				t.Errorf("%s names --%s, which no command has", path, name)
			}
		}
		for _, name := range regexp.MustCompile(`FLUXWORKER_[A-Z_]+`).FindAllString(page, -1) {
			if !variables[name] && name != "FLUXWORKER_" && name != "FLUXWORKER_ENGINE_DIR" { // the last is the tests' own
				t.Errorf("%s names %s, which sets no flag", path, name)
			}
		}
	})
}
