package worker

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fluxworker/worker/record"
)

// outLine is the part of an output line that tests read.
type outLine struct {
	CustomID string `json:"custom_id"`
	Response *struct {
		Body struct {
			Choices []struct{ Message struct{ Content string } }
			Usage   struct {
				PromptTokens int `json:"prompt_tokens"`
			}
			Error struct{ Code, Message string }
		}
	}
	Error *struct{ Code, Message string }
}

func (l outLine) text() string { return l.Response.Body.Choices[0].Message.Content }

func (l outLine) promptTokens() int { return l.Response.Body.Usage.PromptTokens }

func (l outLine) code() string {
	if l.Error != nil {
		return l.Error.Code
	}
	return l.Response.Body.Error.Code
}

func (l outLine) message() string {
	if l.Error != nil {
		return l.Error.Message
	}
	return l.Response.Body.Error.Message
}

// firstError returns code and message of the first failure; "" without one.
func firstError(lines []outLine) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[0].code() + ": " + lines[0].message()
}

// linesOf reads an output file, by custom_id. A missing file has no lines.
func linesOf(t *testing.T, path string) map[string][]outLine {
	t.Helper()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := make(map[string][]outLine)
	for scan := bufio.NewScanner(f); scan.Scan(); {
		var l outLine
		if err := json.Unmarshal(scan.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		lines[l.CustomID] = append(lines[l.CustomID], l)
	}
	return lines
}

func matches(pattern, s string) bool { return regexp.MustCompile(pattern).MatchString(s) }

// manifestOf reads a run's manifest.
func manifestOf(t *testing.T, c Config) (m record.Manifest) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(strings.TrimSuffix(c.Output, ".jsonl")+".run", "manifest.json"))
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}
