package tokens

// restartCost is the time to end a server, start it with another context and load the model again, in units of the time that
// a row has a slot: half a minute to some minutes against some seconds.
const restartCost = 25

// passCostFactor multiplies the estimated time of two passes. A second pass must gain at least 5 %: the estimate is uncertain.
const passCostFactor = 1.05

// MinContext is the shortest context that Contexts lists below the limit, in tokens: a shorter context gains nothing.
const MinContext = 512

// Contexts returns the context lengths for Choose, in tokens, in rising order: four for each doubling, from 512 on, not below
// minContext, and at last the limit.
func Contexts(minContext, limit int) []int {
	var list []int
	for base := MinContext; base < limit; base *= 2 {
		for quarters := 4; quarters < 8; quarters++ {
			if c := base / 4 * quarters; c%Step == 0 && c >= minContext && c < limit {
				list = append(list, c)
			}
		}
	}
	return append(list, limit)
}

// Choose returns the context with which all rows are answered soonest; 0 if no context is possible. With a short context a
// server has many slots, but rows that need more wait for a second pass, with the longest context that a row needs, and the
// second pass costs a restart. Of equal contexts Choose takes the shortest. A row that needs more than the last context
// counts as a row of the last context.
//
// contexts are in rising order. slots returns the number of rows that are answered at once with a context; 0 if the GPUs do
// not hold the context.
func Choose(d *Demand, contexts []int, slots func(context int) int) (best int) {
	var possible []int
	var parallel []float64 // slots of each possible context
	for _, c := range contexts {
		if n := slots(c); n > 0 {
			possible, parallel = append(possible, c), append(parallel, float64(n))
		}
		if c >= d.Max() && len(possible) > 0 {
			break // no row needs more
		}
	}
	if len(possible) == 0 {
		return 0
	}
	last := len(possible) - 1
	minCost := 0.0
	for i, c := range possible {
		deferred := 0.0
		if i < last {
			deferred = float64(d.Beyond(c))
		}
		cost := (float64(d.Rows()) - deferred) / parallel[i]
		if deferred > 0 {
			cost = passCostFactor * (cost + restartCost + deferred/parallel[last])
		}
		if i == 0 || cost < minCost {
			best, minCost = c, cost
		}
	}
	return best
}
