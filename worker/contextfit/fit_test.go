package contextfit

import (
	"strings"
	"testing"

	"fluxworker/worker/prompt"
	"fluxworker/worker/tokens"
)

// Rows may allow far longer answers than the model writes. Fit assumes short answers until too many answers are cut.
func TestAnswersAreAssumedToBeShort(t *testing.T) {
	t.Parallel()
	f := new(Fit)
	row := prompt.Row{Request: prompt.Request{Sampling: prompt.Sampling{MaxTokens: 50_000}}}
	for cut, want := range []int{4096, 4096, 50_000} {
		f.asked.Store(20)
		f.cut.Store(int64(cut))
		if got := f.answer(&row); got != want {
			t.Errorf("with %d of 20 answers cut, an answer is assumed to have %d tokens, want %d", cut, got, want)
		}
	}
}

// A deferred row is asked in the next pass, whose context was chosen for it, although its estimate has grown a little since.
func TestADeferredRowIsAskedInTheNextPass(t *testing.T) {
	t.Parallel()
	row := prompt.Row{Request: prompt.Request{
		Messages: []prompt.Message{{Role: "user", Content: strings.Repeat("1", 1500)}}, Sampling: prompt.Sampling{MaxTokens: 40},
	}}
	f, _ := newTestFit(t, "{}")
	f.limit = 8192
	f.context = f.estimate.Guess(tokens.Weigh(&row.Request)) + 50
	for pass, want := range map[int]bool{1: true, 2: false} {
		f.number = pass
		if deferred, err := f.TooLong(&row); deferred != want || err != nil {
			t.Errorf("pass %d: the row deferred: %t, %v; want %t", pass, deferred, err, want)
		}
	}
}
