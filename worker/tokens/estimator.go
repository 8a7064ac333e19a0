package tokens

import (
	"math"
	"sync"
)

const (
	// firstSlope is how many tokens a unit of weight counts for as long as nothing was counted: more than it has with most
	// texts and models, so that too few slots are planned rather than too little context.
	firstSlope = 1.3
	// longWeight is the weight of a long prompt. What is believed of the slope before anything was counted holds until a
	// prompt has come that is so much longer than the others.
	longWeight = 1000
	// lasting is how many prompts are remembered: what was counted before counts for less, so that an input that changes on
	// its way is followed.
	lasting = 10_000
	// margin is what an estimate has on top, since texts of the same weight differ.
	margin = 1.1
)

// Estimator brings weights to the scale of one model, by what the model has counted: tokens are a line over the weight, that
// of the least squares. Its start is what the chat template adds to a text, its slope how finely the model cuts texts. Where
// all prompts are about as long, they tell little of the slope, and what was believed before has to hold it (a ridge
// regression towards that slope). It may be used from many goroutines.
type Estimator struct {
	mu      sync.Mutex
	counted int64
	// Sums over prompts of 1, weight, tokens, weight·weight and weight·tokens.
	n, w, t, ww, wt float64
	// The slope that was believed before, and how much it counts, as a sum of squares of weights.
	slope, belief float64
}

// NewEstimator has counted nothing.
func NewEstimator() *Estimator {
	e := &Estimator{slope: firstSlope, belief: longWeight * longWeight}
	const short = requestWeight + messageWeight
	e.add(short, short*firstSlope)
	return e
}

// Note takes in that a prompt of some weight has so many tokens, by the server's count.
func (e *Estimator) Note(weight, tokens int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counted++
	e.add(float64(weight), float64(tokens))
	if e.n > lasting {
		e.n, e.w, e.t, e.ww, e.wt = e.n/2, e.w/2, e.t/2, e.ww/2, e.wt/2
	}
}

func (e *Estimator) add(weight, tokens float64) {
	e.n++
	e.w += weight
	e.t += tokens
	e.ww += weight * weight
	e.wt += weight * tokens
}

// Scale takes in how a model's vocabulary cuts texts of some weight. It takes the first guess's place.
func (e *Estimator) Scale(weight, tokens int) {
	if weight <= 0 || tokens <= 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.slope, e.belief = float64(tokens)/float64(weight), 20*longWeight*longWeight
}

// Guess is how many tokens a prompt of some weight has, as likely too many as too few.
func (e *Estimator) Guess(weight int) int {
	start, slope := e.Line()
	return max(1, int(math.Ceil(start+slope*float64(weight))))
}

// AtMost is how many tokens a prompt of some weight has at most, as a rule.
func (e *Estimator) AtMost(weight int) int {
	return int(math.Ceil(float64(e.Guess(weight)) * margin))
}

// Line is what estimates are made of: the tokens of a prompt without weight, and those of a unit of weight.
func (e *Estimator) Line() (start, slope float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	slope = (e.wt - e.w*e.t/e.n + e.belief*e.slope) / (e.ww - e.w*e.w/e.n + e.belief)
	slope = max(slope, 0)
	return (e.t - slope*e.w) / e.n, slope
}

// Counted is how many prompts the server has counted.
func (e *Estimator) Counted() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counted
}
