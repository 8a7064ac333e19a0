package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
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

// The exit codes are written once; help and README say the same.
func TestExitCodesAreDocumented(t *testing.T) {
	text := strings.ReplaceAll(readme(t), "`", "")
	help := exitTable()
	for _, e := range exitMeanings {
		if row := fmt.Sprintf("| %d | %s |\n", e.code, e.meaning); !strings.Contains(text, row) {
			t.Errorf("the README lacks %q", row)
		}
		if !strings.Contains(help, e.meaning) {
			t.Errorf("the help lacks %q", e.meaning)
		}
	}
	_, table, _ := strings.Cut(text, "## Exit codes")
	table, _, _ = strings.Cut(table, "\n## ")
	if rows := regexp.MustCompile(`(?m)^\| \d+ \|`).FindAllString(table, -1); len(rows) != len(exitMeanings) {
		t.Errorf("the README has %d exit codes, the program %d", len(rows), len(exitMeanings))
	}
}

// Every flag of run is in the README with its default, and no other.
func TestFlagsAreDocumented(t *testing.T) {
	_, table, _ := strings.Cut(readme(t), "## Flags of `fluxworker run`")
	table, _, _ = strings.Cut(table, "\n## ")
	documented := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\| ([^|]*) ?\\|").FindAllStringSubmatch(table, -1) {
		documented[m[1]] = strings.TrimSpace(m[2])
	}
	runCommand().Flags().VisitAll(func(f *pflag.Flag) {
		want := f.DefValue
		switch want {
		case "[]", "false":
			want = ""
		}
		if f.Name == "seed" || f.Name == "help" {
			want = ""
		}
		got, ok := documented[f.Name]
		if !ok && f.Name != "help" {
			t.Errorf("--%s is not in the README", f.Name)
		}
		if number, err := strconv.ParseFloat(want, 64); err == nil && got == fmt.Sprint(number) || got == want || got+"0s" == want {
			delete(documented, f.Name)
			return
		}
		t.Errorf("--%s: the README says the default is %q, it is %q", f.Name, got, want)
		delete(documented, f.Name)
	})
	for name := range documented {
		t.Errorf("the README has --%s, the program has not", name)
	}
}
