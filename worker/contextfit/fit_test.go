package contextfit

import (
	"fluxworker/worker/prompt"
	"fluxworker/worker/tokens"
	"strings"
	"testing"
)

// Rows may allow far longer answers than come. Answers are taken to be short until too many are cut.
func TestAnswersAreTakenToBeShort(t *testing.T) {
	t.Parallel()
	f := new(Fit)
	row := prompt.Row{Request: prompt.Request{Sampling: prompt.Sampling{MaxTokens: 50_000}}}
	for cut, want := range []int{4096, 4096, 50_000} {
		f.asked.Store(20)
		f.cut.Store(int64(cut))
		if got := f.answer(&row); got != want {
			t.Errorf("with %d of 20 answers cut one is taken to have %d tokens, want %d", cut, got, want)
		}
	}
}

// A row that the context of a later pass was chosen for is asked there, although the answers since have it seem a little longer.
func TestARowIsAskedInThePassThatIsMadeForIt(t *testing.T) {
	t.Parallel()
	row := prompt.Row{Request: prompt.Request{
		Messages: []prompt.Message{{Role: "user", Content: strings.Repeat("1", 1500)}}, Sampling: prompt.Sampling{MaxTokens: 40},
	}}
	f, _ := fitOf(t, "{}")
	f.limit = 8192
	f.context = f.estimate.Guess(tokens.Weigh(&row.Request)) + 50
	for pass, want := range map[int]bool{1: true, 2: false} {
		f.number = pass
		if deferred, err := f.TooLong(&row); deferred != want || err != nil {
			t.Errorf("pass %d: the row deferred: %t, %v; want %t", pass, deferred, err, want)
		}
	}
}
