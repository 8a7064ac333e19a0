package tokens

import (
	"math"
	"sync"
)

const (
	// firstSlope is the number of tokens for a unit of weight before the first count. It is above that of most texts and
	// models: too few slots are better than too short a context.
	firstSlope = 1.3
	// guessBelief and vocabularyBelief are the weights of a prior slope, as a number of long prompts with that slope:
	// firstSlope, and the slope of a vocabulary.
	guessBelief, vocabularyBelief = 3, 50
	// maxRemembered is the number of prompts at which all earlier counts are halved, so that the estimate follows an input
	// that changes.
	maxRemembered = 10_000
	// margin is the factor from an estimate to a likely maximum: texts of the same weight differ.
	margin = 1.1
)

// Estimator estimates the tokens of a prompt from its weight, for one model, by the server's counts. It fits the line
//
//	tokens = start + slope·weight
//
// start stands for the text that the chat template adds, slope for the model's cut of texts. The fit minimizes the sum of the
// squared errors, each divided by the prompt's weight: then a few long prompts of another kind of text change the slope, but
// not the estimates of short prompts. It is safe for concurrent use.
type Estimator struct {
	mu      sync.Mutex
	counted int64
	slope   float64 // the prior slope
	belief  float64 // its weight, as a number of long prompts
	// Sums over prompts of 1, x, y, x·x and x·y, where x is 1/weight and y is tokens/weight: the line is y = slope + start·x.
	n, x, y, xx, xy float64
}

// NewEstimator returns an Estimator without counts.
func NewEstimator() *Estimator {
	e := &Estimator{slope: firstSlope, belief: guessBelief}
	const short = requestWeight + messageWeight
	e.add(0.1, short, short*firstSlope) // a weak prior, which the first answers outweigh
	return e
}

// Note adds the server's count of the tokens of a prompt with the given weight (see Weigh).
func (e *Estimator) Note(weight, tokens int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counted++
	e.add(1, float64(weight), float64(tokens))
	if e.n > maxRemembered {
		e.n, e.x, e.y, e.xx, e.xy = e.n/2, e.x/2, e.y/2, e.xx/2, e.xy/2
	}
}

func (e *Estimator) add(times, weight, tokens float64) {
	x, y := 1/weight, tokens/weight
	e.n += times
	e.x += times * x
	e.y += times * y
	e.xx += times * x * x
	e.xy += times * x * y
}

// Scale replaces the prior slope by that of a vocabulary: its tokens for texts of the given weight. A value of 0 changes
// nothing.
func (e *Estimator) Scale(weight, tokens int) {
	if weight <= 0 || tokens <= 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.slope, e.belief = float64(tokens)/float64(weight), vocabularyBelief
}

// Guess returns the estimated number of tokens of a prompt, at least 1. It is too high as often as too low.
func (e *Estimator) Guess(weight int) int {
	start, slope := e.Line()
	return max(1, int(math.Ceil(start+slope*float64(weight))))
}

// AtMost returns the estimated number of tokens of a prompt with a margin: as a rule a prompt has no more.
func (e *Estimator) AtMost(weight int) int {
	return int(math.Ceil(float64(e.Guess(weight)) * margin))
}

// Line returns the line of the estimate: the tokens of a prompt without weight, and the tokens for a unit of weight.
func (e *Estimator) Line() (start, slope float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, y := e.n+e.belief, e.y+e.belief*e.slope // the prior is of infinitely long prompts: x = 0
	start = (n*e.xy - e.x*y) / (n*e.xx - e.x*e.x)
	return start, max(0, (y-start*e.x)/n)
}

// Counted returns the number of prompts that the server has counted.
func (e *Estimator) Counted() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counted
}
