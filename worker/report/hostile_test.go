package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"fluxworker/test/outputs"
	"fluxworker/worker/record"
)

// Rows that try to leave their place in the page stay texts.
func TestHostileRows(t *testing.T) {
	t.Parallel()
	evil := outputs.Hostile()
	page := written(t, outputs.Output{Rows: len(evil), FailEvery: 3, Name: func(i int) string { return fmt.Sprintf("%d%s", i, evil[i]) },
		Text: func(i int) (string, string) { return evil[i], evil[i] }}, func(c *Config) { c.Show = 50 })
	if !utf8.ValidString(page) {
		t.Error("the page is not UTF-8")
	}
	for _, r := range page {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			t.Errorf("the page holds the control character %U", r)
			break
		}
	}
	tag := regexp.MustCompile(`<[a-zA-Z!/][^>]*>`)
	allowed := regexp.MustCompile(`^</?(!DOCTYPE|html|head|meta|title|link|style|body|header|footer|main|nav|section|article|div|span|p|h[1-4]|ul|li|a|dl|dt|dd|small|strong|bdi|pre|i|table|caption|thead|tbody|tr|th|td|time|details|summary|figure|figcaption|svg|desc|line|rect|path|circle|g|text)\b`)
	handler := regexp.MustCompile(`\son[a-z]+\s*=`)
	for _, found := range tag.FindAllString(page, -1) {
		if !allowed.MatchString(found) || handler.MatchString(found) || strings.Contains(found, "javascript:") {
			t.Errorf("the page holds the tag %s", found)
		}
	}
	for _, once := range []string{"<style", "</style", "<body", "</body"} {
		if n := strings.Count(page, once); n != 1 {
			t.Errorf("%s is %d times in the page", once, n)
		}
	}
	needs(t, page, "<script>pwned=1</script>", "</style><img src=x onerror=pwned=1>", "␀", "␛")
}

// The page names nothing of a network, and forbids scripts and everything that a page may load.
func TestThePageNeedsNothing(t *testing.T) {
	t.Parallel()
	page := written(t, outputs.Output{Rows: 30, GPUs: 1, FailEvery: 7}, nil)
	if !strings.Contains(page, `content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"`) {
		t.Error("no Content-Security-Policy")
	}
	needsNot(t, page, "http:", "https:", "src=", "@import", "url(", "<script")
	for _, id := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `id="`+id[1]+`"`) {
			t.Errorf("a link to %s, which is not there", id[1])
		}
	}
}

// Without texts, the page holds no text of a row, no name of a row, and no error that may quote a row.
func TestNoText(t *testing.T) {
	t.Parallel()
	const secret = "SECRET"
	dir := t.TempDir()
	output, _, err := outputs.Output{Rows: 60, GPUs: 1, FailEvery: 4, CutEvery: 5, Name: func(i int) string { return fmt.Sprintf("%s-%d", secret, i) },
		Text: func(int) (string, string) { return secret + " prompt", secret + " answer" }}.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "results.run", "attempts", "0001.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var a record.Attempt
	if err := json.Unmarshal(data, &a); err != nil {
		t.Fatal(err)
	}
	a.Outcome = "row " + secret + " is odd"
	if data, err = json.Marshal(a); err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	page := page1(t, Config{Output: output, Show: 60, NoText: true})
	needsNot(t, page, secret)
	needs(t, page, "This report was made without texts of rows", "context_length_exceeded", "failed")
	needs(t, page1(t, Config{Output: output, Show: 60}), secret+" prompt", secret+" answer", "row "+secret+" is odd", secret+"-3 cannot be asked")
}
