package engines

import (
	"encoding/json"
	"fluxworker/test/harness"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// mixedRows is an input of which one row in fifty or so is no short one: it is longer than the context that suits the others,
// or longer than the model's 8192 tokens, or its answer would end beyond them. By id it returns the prompts that must be
// answered, and what the errors of the others must say.
func mixedRows(n int) (rows []string, prompts, errors map[string]string) {
	prompts, errors = make(map[string]string), make(map[string]string)
	for i := range n {
		id, prompt := fmt.Sprint("row-", i), harness.PromptOf(i)
		switch {
		case i%100 == 7:
			prompt = fmt.Sprintf("%s row %d%d", strings.Repeat("x", 4200+i*3000/n), i, i%10)
		case i == 57: // blanks seem to take few tokens: the answer would end beyond the 512 tokens of most rows,
			prompt = "x" + strings.Repeat(" ", 475) + "?"
		case i == 58: // and here the prompt does
			prompt = "x" + strings.Repeat(" ", 700) + "a"
		case i%100 == 31:
			prompt = strings.Repeat("y", 8300+i) + "3"
			errors[id] = `^the prompt has (\d+|about \d+|more than 8192) tokens.*, and the longest context that the model has is 8192 tokens; shorten it$`
		case i%250 == 81: // 8173 and the begin token leave 18 tokens for an answer of 36
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

// checkMixed demands that every row is answered whole, to the last token of its prompt, or has the error that it should.
func checkMixed(j *harness.Job, prompts, errors map[string]string) {
	j.T.Helper()
	answers, failures := j.Lines("results.jsonl"), j.Lines("results-errors.jsonl")
	for id, prompt := range prompts {
		l, ok := answers[id]
		if !ok {
			j.T.Errorf("%s has no answer; its error: %+v", id, failures[id].Response)
			continue
		}
		if got := l.Response.Body.Choices[0].Message.Content; got != harness.AnswerTo(prompt) || l.Response.Body.Choices[0].FinishReason != "stop" {
			j.T.Errorf("%s: answer %q, want %q and its end", id, got, harness.AnswerTo(prompt))
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

// Where the context follows from the rows, the few long ones are answered last, after one restart, with a longer context and
// fewer slots; nothing is cut on the way, neither a prompt nor an answer.
func TestContextSuitsTheRows(t *testing.T) {
	const rows = 500
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--context", "auto")
		input, prompts, errors := mixedRows(rows)
		j.Write(input...)
		j.Run(3)
		checkMixed(j, prompts, errors)
		var m struct {
			Chosen []struct {
				Context int
				Longer  int `json:"rows_longer"`
			} `json:"context_chosen"`
			Plan struct{ Slots, Context int }
		}
		j.Read("results.run/manifest.json", &m)
		if len(m.Chosen) != 2 || m.Chosen[0].Context != 512 || m.Chosen[0].Longer == 0 || m.Chosen[1].Context != 8192 || m.Plan.Context != 8192 || m.Plan.Slots != 4 {
			t.Errorf("the manifest tells %+v; want 512 tokens in 8 slots, then 8192 in 4", m)
		}
		var s struct {
			PutOff int `json:"rows_put_off"`
		}
		j.Read("results.run/summary.json", &s)
		if s.PutOff < 8 || s.PutOff > 13 { // the old generation does not count what is too long for any context
			t.Errorf("%d rows were put off", s.PutOff)
		}
	})
}

// Killed in either pass the same command goes on, and each row has one line in the end.
func TestKilledBetweenShortAndLongRows(t *testing.T) {
	const rows = 300
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--context", "auto")
		input, prompts, errors := mixedRows(rows)
		j.Write(input...)
		first := rows - len(errors) - rows/100 - 2 // are answered in the first pass
		for _, at := range []int{50, first + 1} {
			cmd := j.Start()
			j.AwaitAnswers(at)
			cmd.Process.Signal(syscall.SIGKILL)
			j.Wait(cmd, -1)
			j.AwaitGone()
		}
		j.Run(3)
		checkMixed(j, prompts, errors)
	})
}
