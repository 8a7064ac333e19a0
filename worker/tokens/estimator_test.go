package tokens

import (
	"strings"
	"testing"

	"fluxworker/worker/prompt"
)

func ask(text string, images ...[]byte) *prompt.Request {
	return &prompt.Request{
		Messages: []prompt.Message{{Role: "user", Content: text, Images: images}}, Sampling: prompt.Sampling{MaxTokens: 100},
	}
}

const english = "The committee met on Tuesday to discuss whether the results of the second survey could be published before the summer. "

// The weight of every kind of text is between a token for each byte and a token for ten bytes.
func TestWeigh(t *testing.T) {
	empty := Weigh(ask(""))
	for name, text := range map[string]string{
		"English": strings.Repeat(english, 20), "digits": strings.Repeat("31415 92653 ", 100), "code": strings.Repeat("if (x[i] != y) { return -1; }\n", 50),
		"Russian": strings.Repeat("Комитет собрался во вторник. ", 40), "Chinese": strings.Repeat("委员会周二开会讨论。", 50), "emoji": strings.Repeat("🙂", 200),
	} {
		weight := Weigh(ask(text)) - empty
		if weight < len(text)/10 || weight > len(text) {
			t.Errorf("%s: %d bytes weigh %d", name, len(text), weight)
		}
	}
	// cl100k and Llama 3 have 21 tokens for this sentence.
	if weight := Weigh(ask(strings.Repeat(english, 100))) - empty; weight < 1800 || weight > 3000 {
		t.Errorf("an English text of 2100 tokens weighs %d", weight)
	}
	if with := Weigh(ask("", []byte("an image"))); with != empty+imageWeight {
		t.Errorf("an image weighs %d", with-empty)
	}
}

// The estimate follows the model's counts, for every slope and start. With the slope of the vocabulary, it is good for long
// prompts although only short prompts were counted.
func TestEstimatorFollowsTheModel(t *testing.T) {
	for _, m := range []struct {
		name         string
		start, slope float64
	}{{"coarse", 10, 0.8}, {"a long template", 300, 1}, {"a token for each byte", -60, 4}} {
		t.Run(m.name, func(t *testing.T) {
			e := NewEstimator()
			count := func(weight int) int { return int(m.start + m.slope*float64(weight)) }
			e.Scale(10_000, int(10_000*m.slope))
			for i := range 1000 {
				e.Note(30+i%50, count(30+i%50))
			}
			for _, weight := range []int{40, 500, 5000} {
				want := count(weight)
				if got := e.AtMost(weight); got < want || got > want*5/4+30 {
					t.Errorf("a prompt of %d tokens is estimated at most %d", want, got)
				}
			}
			if e.Counted() != 1000 {
				t.Errorf("%d were counted", e.Counted())
			}
		})
	}
}

// A few long prompts of a text with far more tokens do not change the estimate of short prompts.
func TestEstimatorIsNotMisledByLongPrompts(t *testing.T) {
	e := NewEstimator()
	for _, p := range []struct{ weight, tokens int }{{6000, 12_000}, {2900, 11_600}, {3000, 6000}, {4000, 8100}} {
		e.Note(p.weight, p.tokens)
	}
	if got := e.AtMost(30); got > 100 {
		t.Errorf("a short prompt is estimated at %d", got)
	}
}

// The estimate follows an input whose texts change.
func TestEstimatorForgets(t *testing.T) {
	e := NewEstimator()
	for range 20_000 {
		e.Note(1000, 1000)
	}
	for range 20_000 {
		e.Note(1010, 3000)
	}
	if got := e.Guess(1000); got < 2500 {
		t.Errorf("%d, want nearly 3000", got)
	}
}

// The first estimate is rather too high. For English, which has the fewest tokens, it is at most twice as high.
func TestFirstGuess(t *testing.T) {
	e := NewEstimator()
	if got := e.AtMost(Weigh(ask(strings.Repeat(english, 100)))); got < 2100 || got > 4200 {
		t.Errorf("a text of 2100 tokens is estimated at %d", got)
	}
	e.Scale(0, 0) // an input without text
	e.Scale(10, 0)
	if got := e.Guess(0); got < 0 || got > 20 {
		t.Errorf("nothing is estimated at %d", got)
	}
}

func TestSample(t *testing.T) {
	var s Sample
	e := NewEstimator()
	for i := range 2 * MaxSampled {
		if more := s.Add(ask("short")); more != (i < MaxSampled) {
			t.Fatalf("row %d: more is %t", i, more)
		}
	}
	if s.Rows() != MaxSampled {
		t.Errorf("%d rows", s.Rows())
	}
	if d := s.Demand(e); d.Rows() != MaxSampled || d.Max() < 100 || d.Max() > 200 {
		t.Errorf("%d rows of %d tokens", d.Rows(), d.Max())
	}
	few := new(Sample)
	few.Add(ask(strings.Repeat(english, 100)))
	s.Merge(few, 1000.4)
	if d := s.Demand(e); d.Rows() != MaxSampled+1000 || d.Beyond(1024) != 1000 {
		t.Errorf("%d rows, %d of them long; want 1000 more", d.Rows(), d.Beyond(1024))
	}
	s.Scale(nil, e)
	before := e.Guess(1000)
	s.Scale(&Vocabulary{bytes: true}, e) // every token is a single byte
	if after := e.Guess(1000); after < 3*before/2 {
		t.Errorf("%d before and %d after it was known that each byte is a token", before, after)
	}
}
