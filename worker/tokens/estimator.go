package tokens

import (
	"math"
	"sync"
)

const (
	// firstSlope is how many tokens a unit of weight counts for as long as nothing was counted: more than it has with most
	// texts and models, so that too few slots are planned rather than too little context.
	firstSlope = 1.3
	// guessed and scaled are how many long prompts it would take to say the same of the slope: a guess and a vocabulary.
	guessed, scaled = 3, 50
	// lasting is how many prompts are remembered: what was counted before counts for less, so that an input that changes on
	// its way is followed.
	lasting = 10_000
	// margin is what an estimate has on top, since texts of the same weight differ.
	margin = 1.1
)

// Estimator brings weights to the scale of one model, by what the model has counted: tokens are a line over the weight. Its
// start is what the chat template adds to a text, its slope how finely the model cuts texts. Of all lines it is the one
// whose errors, each as a share of the prompt's weight, have the least squares: a few long prompts of another kind of text
// then move the slope, but not what short prompts are taken to have. It may be used from many goroutines.
type Estimator struct {
	mu      sync.Mutex
	counted int64
	slope   float64 // that was believed before
	belief  float64 // and for how many long prompts that counts
	// Sums over prompts of 1, x, y, x·x and x·y, where x is 1/weight and y is tokens/weight: the line is y = slope + start·x.
	n, x, y, xx, xy float64
}

// NewEstimator has counted nothing.
func NewEstimator() *Estimator {
	e := &Estimator{slope: firstSlope, belief: guessed}
	const short = requestWeight + messageWeight
	e.add(0.1, short, short*firstSlope) // which the first answers overrule
	return e
}

// Note takes in that a prompt of some weight, as Weigh tells it, has so many tokens, by the server's count.
func (e *Estimator) Note(weight, tokens int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counted++
	e.add(1, float64(weight), float64(tokens))
	if e.n > lasting {
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

// Scale takes in how a model's vocabulary cuts texts of some weight. It takes the first guess's place.
func (e *Estimator) Scale(weight, tokens int) {
	if weight <= 0 || tokens <= 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.slope, e.belief = float64(tokens)/float64(weight), scaled
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
	n, y := e.n+e.belief, e.y+e.belief*e.slope // a prompt without end has x = 0
	start = (n*e.xy - e.x*y) / (n*e.xx - e.x*e.x)
	return start, max(0, (y-start*e.x)/n)
}

// Counted is how many prompts the server has counted.
func (e *Estimator) Counted() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counted
}
