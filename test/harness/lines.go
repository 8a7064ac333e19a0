package harness

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// Line holds the part of an output line that the tests read.
type Line struct {
	CustomID string `json:"custom_id"`
	Response *struct {
		StatusCode int `json:"status_code"`
		Body       struct {
			Choices []struct {
				Message      struct{ Content string }
				Text         string
				FinishReason string `json:"finish_reason"`
			}
			Usage struct {
				PromptTokens     int `json:"prompt_tokens"`
				CompletionTokens int `json:"completion_tokens"`
			}
			Error struct{ Code, Message string }
		}
	}
	Error *struct{ Code, Message string }
}

// Lines reads an output file by custom_id. The test fails where a custom_id is there twice.
func (j *Job) Lines(name string) map[string]Line {
	j.T.Helper()
	f, err := os.Open(j.Path(name))
	if err != nil {
		j.T.Fatal(err)
	}
	defer f.Close()
	all := make(map[string]Line)
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var l Line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			j.T.Fatalf("%s: line %q: %v", name, scanner.Text(), err)
		}
		if _, twice := all[l.CustomID]; twice {
			j.T.Errorf("%s: %s is there twice", name, l.CustomID)
		}
		all[l.CustomID] = l
	}
	if err := scanner.Err(); err != nil {
		j.T.Fatal(err)
	}
	return all
}

// RawLines reads an output file by custom_id, each line as a tree; see At.
func (j *Job) RawLines(name string) map[string]map[string]any {
	j.T.Helper()
	data, err := os.ReadFile(j.Path(name))
	if err != nil {
		j.T.Fatal(err)
	}
	all := make(map[string]map[string]any)
	for text := range bytes.Lines(data) {
		var l map[string]any
		if err := json.Unmarshal(text, &l); err != nil {
			j.T.Fatalf("%s: line %q: %v", name, text, err)
		}
		all[l["custom_id"].(string)] = l
	}
	return all
}

// At returns what stands at a path of a tree of JSON, whose steps are names and indexes; nil where nothing does.
func At(tree any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := tree.(map[string]any)
			tree = m[step]
		case int:
			l, _ := tree.([]any)
			if step >= len(l) {
				return nil
			}
			tree = l[step]
		}
	}
	return tree
}

// CheckRows demands that the first n rows of WriteRows are answered, each by the rule for its own prompt, and no others.
func (j *Job) CheckRows(n int) {
	j.T.Helper()
	j.CheckAnswers("results.jsonl", 0, n)
}

// CheckAnswers demands that a file has the answers to the rows from number from up to the row before number end, and no
// others.
func (j *Job) CheckAnswers(name string, from, end int) {
	j.T.Helper()
	got := j.Lines(name)
	if len(got) != end-from {
		j.T.Errorf("%s: %d rows answered, want %d", name, len(got), end-from)
	}
	for i := from; i < end; i++ {
		l, ok := got[fmt.Sprintf("row-%d", i)]
		switch want := AnswerTo(PromptOf(i)); {
		case !ok:
			j.T.Errorf("row-%d has no line", i)
		case l.Response.Body.Choices[0].Message.Content != want || l.Response.Body.Choices[0].FinishReason != "stop":
			j.T.Errorf("row-%d: %+v, want %q", i, l.Response.Body.Choices[0], want)
		}
	}
}

// CheckBlameless demands that no row has an error line.
func (j *Job) CheckBlameless() {
	j.T.Helper()
	if n := len(j.Lines("results-errors.jsonl")); n > 0 {
		j.T.Errorf("%d rows have an error line for what was not their fault", n)
	}
}

// Answered counts the lines that are in the results now; the worker may be writing.
func (j *Job) Answered() int {
	data, _ := os.ReadFile(j.Path("results.jsonl")) // not there yet: none
	return bytes.Count(data, []byte("\n"))
}
