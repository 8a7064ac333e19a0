//go:build manpages

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra/doc"
)

// With the build tag manpages, this program writes the manual pages and the completions of fluxworker below a folder, in the
// places where man and the shells look for them below /usr/share. The packages for Markdown and roff are not in fluxworker.
func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: manpages FOLDER")
		os.Exit(exitUsage)
	}
	if err := writePages(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "manpages:", err)
		os.Exit(exitInternal)
	}
}

// writePages writes into dir. SOURCE_DATE_EPOCH is the date of the manual pages.
func writePages(dir string) error {
	root := rootCommand()
	for file, write := range map[string]func(io.Writer) error{
		"bash-completion/completions/fluxworker":    func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh/site-functions/_fluxworker":            root.GenZshCompletion,
		"fish/vendor_completions.d/fluxworker.fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
	} {
		if err := writeFile(filepath.Join(dir, file), write); err != nil {
			return err
		}
	}
	pages := filepath.Join(dir, "man", "man1")
	if err := os.MkdirAll(pages, 0o755); err != nil {
		return err
	}
	root.DisableAutoGenTag = true // it ends each page with the day of the build
	for _, cmd := range append(root.Commands(), root) {
		cmd.Long = asMarkdown(cmd.Long)
	}
	return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "fluxworker " + version(), Manual: "fluxworker"}, pages)
}

func writeFile(path string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := write(f); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}

// asMarkdown indents the tables and examples of a help text by four blanks. With less, Markdown joins their lines.
func asMarkdown(help string) string {
	var text strings.Builder
	before := ""
	for line := range strings.Lines(help) {
		table := strings.HasPrefix(line, "  ")
		if table != strings.HasPrefix(before, "  ") && strings.TrimSpace(before) != "" {
			text.WriteByte('\n')
		}
		if table {
			text.WriteString("  ")
		}
		text.WriteString(line)
		before = line
	}
	return text.String()
}
