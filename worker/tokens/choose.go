package tokens

// restartCost is how long it takes to end a server, start it with another context and load the model again, in the time
// that a row has a slot: half a minute to some minutes against some seconds.
const restartCost = 25

// worth is how much sooner a second pass has to make the end for its sake: what is estimated is not known.
const worth = 1.05

// MinContext is the shortest context that is chosen, in tokens: below it nothing is won.
const MinContext = 512

// Contexts are the lengths from which one is chosen, in rising order: four for each doubling, from 512 to the limit, which
// is one of them, and none below least.
func Contexts(least, limit int) []int {
	var list []int
	for base := MinContext; base < limit; base *= 2 {
		for quarters := 4; quarters < 8; quarters++ {
			if c := base / 4 * quarters; c%Step == 0 && c >= least && c < limit {
				list = append(list, c)
			}
		}
	}
	return append(list, limit)
}

// Choose picks the context with which all rows are answered soonest: with a short one a server has many slots, but rows that
// need more wait for a second pass, with the longest context that a row needs, which costs a restart. Of contexts that do
// as well as each other it takes the shortest. A row that needs more than all of them counts as needing the last.
//
// slots tells how many rows are answered at once with a context, 0 where it does not fit. It returns 0 where no context
// fits. contexts are in rising order.
func Choose(d *Demand, contexts []int, slots func(context int) int) (best int) {
	var fitting []int
	var room []float64
	for _, c := range contexts {
		if n := slots(c); n > 0 {
			fitting, room = append(fitting, c), append(room, float64(n))
		}
		if c >= d.Most() && len(fitting) > 0 {
			break // no row needs more
		}
	}
	if len(fitting) == 0 {
		return 0
	}
	last := len(fitting) - 1
	least := 0.0
	for i, c := range fitting {
		late := 0.0
		if i < last {
			late = float64(d.Beyond(c))
		}
		cost := (float64(d.Rows()) - late) / room[i]
		if late > 0 {
			cost = worth * (cost + restartCost + late/room[last])
		}
		if i == 0 || cost < least {
			best, least = c, cost
		}
	}
	return best
}
