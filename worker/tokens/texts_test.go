package tokens

import (
	"math"
	"strings"
	"testing"

	"fluxworker/worker/prompt"
)

// The parts of a count sum up to it, are in proportion to the weights, and differ from the exact share by less than a token.
func TestSplit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		count   int
		weights []int
	}{
		{10, []int{5, 5}}, {7, []int{3, 3, 3}}, {1, []int{4, 4, 4}}, {0, []int{1, 2}}, {1000, []int{1, 1, 998}}, {33, []int{33}},
		{1 << 62, []int{1 << 20, 3 << 20}},
	} {
		parts := Split(tt.count, tt.weights)
		sum, whole := 0, 0
		for i := range parts {
			sum += parts[i]
			whole += tt.weights[i]
		}
		if sum != tt.count || len(parts) != len(tt.weights) {
			t.Errorf("%d by %v: %v, which is %d", tt.count, tt.weights, parts, sum)
		}
		for i, part := range parts {
			exact := float64(tt.count) * float64(tt.weights[i]) / float64(whole)
			if d := float64(part) - exact; math.Abs(d) > 1+1e-9*exact {
				t.Errorf("%d by %v: part %d is %d, want about %.1f", tt.count, tt.weights, i, part, exact)
			}
		}
	}
}

// A server that counts texts one by one and a server that counts some texts together teach an Estimator the same line.
func TestTextsThatAreCountedTogetherTeachTheSame(t *testing.T) {
	t.Parallel()
	alone, together := NewEstimator(), NewEstimator()
	for words := 8; words < 400; words += 8 {
		short, long := strings.Repeat("word ", words), strings.Repeat("word ", 3*words)
		count := func(text string) int { return 2 + len(text)/3 }
		both := &prompt.Embedding{Input: []string{short, long}}
		sum, longest := Texts(both)
		if _, alone := Texts(&prompt.Embedding{Input: []string{long}}); alone != longest || sum <= longest {
			t.Fatalf("the weights of %d and %d words are %d, the longest %d", words, 3*words, sum, longest)
		}
		for range 50 {
			for _, text := range both.Input {
				alone.Note(Weigh(&prompt.Request{Embedding: &prompt.Embedding{Input: []string{text}}}), count(text))
			}
			together.Note(WeighMean(both), (count(short)+count(long)+1)/2)
		}
	}
	for _, weight := range []int{20, 200, 2000} {
		if a, b := alone.Guess(weight), together.Guess(weight); a-b > 1+a/50 || b-a > 1+a/50 {
			t.Errorf("weight %d is %d tokens by single counts, %d by common counts", weight, a, b)
		}
	}
}
