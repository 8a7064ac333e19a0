package harness

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// MixedRows returns an input of n rows of which a few are not short: it is longer than the context that suits the
// others, or longer than the model's 8192 tokens, or its answer would end beyond them. By id it also returns the prompts that
// must be answered, and what the errors of the other rows must say.
func MixedRows(n int) (rows []string, prompts, errors map[string]string) {
	prompts, errors = make(map[string]string), make(map[string]string)
	for i := range n {
		id, prompt := fmt.Sprint("row-", i), PromptOf(i)
		switch {
		case i%500 == 7:
			prompt = fmt.Sprintf("%s row %d%d", strings.Repeat("x", 4200+i*3000/n), i, i%10)
		case i == 57: // blanks seem to take few tokens: the answer would end beyond the 512 tokens of most rows,
			prompt = "x" + strings.Repeat(" ", 475) + "?"
		case i == 58: // and here the prompt does
			prompt = "x" + strings.Repeat(" ", 700) + "a"
		case i%500 == 31:
			prompt = strings.Repeat("y", 8300+i) + "3"
			errors[id] = `^the prompt has (\d+|about \d+|more than 8192) tokens.*, and the longest context that the model has is 8192 tokens; shorten it$`
		case i%500 == 81: // 8173 and the begin token leave 18 tokens for an answer of 36
			prompt = strings.Repeat("z", 8172) + "?"
			errors[id] = `^the answer was cut after 1\d of at most 60 tokens: the prompt has 8174, and the longest context that the model has is 8192 tokens; shorten the prompt$`
		}
		if errors[id] == "" {
			prompts[id] = prompt
		}
		row, _ := json.Marshal(map[string]any{"custom_id": id, "prompt": prompt, "max_tokens": 60})
		rows = append(rows, string(row))
	}
	return rows, prompts, errors
}

// CheckMixed demands that every row is answered whole, to the last token of its prompt, or has the error that it should.
func (j *Job) CheckMixed(prompts, errors map[string]string) {
	j.T.Helper()
	answers, failures := j.Lines("results.jsonl"), j.Lines("results-errors.jsonl")
	for id, prompt := range prompts {
		l, ok := answers[id]
		if !ok {
			j.T.Errorf("%s has no answer; its error: %+v", id, failures[id].Response)
			continue
		}
		if got := l.Response.Body.Choices[0].Message.Content; got != AnswerTo(prompt) || l.Response.Body.Choices[0].FinishReason != "stop" {
			j.T.Errorf("%s: answer %q, want %q and its end", id, got, AnswerTo(prompt))
		}
		// The tiny model takes each byte for a token, and adds one for the beginning.
		if got := l.Response.Body.Usage.PromptTokens; got != len(prompt)+1 {
			j.T.Errorf("%s: the server read %d tokens of a prompt of %d", id, got, len(prompt)+1)
		}
	}
	for id, want := range errors {
		l := failures[id]
		if l.Response == nil || l.Response.Body.Error.Code != "context_length_exceeded" || !regexp.MustCompile(want).MatchString(l.Response.Body.Error.Message) {
			j.T.Errorf("%s: %+v, want an error that says %q", id, l.Response, want)
		}
	}
	if len(answers) != len(prompts) || len(failures) != len(errors) {
		j.T.Errorf("%d answers and %d errors, want %d and %d", len(answers), len(failures), len(prompts), len(errors))
	}
}
