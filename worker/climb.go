package worker

import (
	"math"
	"slices"
)

const (
	// kneeShare is the part of the best throughput at which a number in flight counts as just as good: windows of a few hundred
	// answers differ by as much from one another.
	kneeShare = 0.97
	// nearBest is by how much the best level may fall short of what another one, which was not tried, could do at most.
	nearBest = 1.08
	// closeLevels is how far apart neighbours on the curve may be. Between two that are so near, throughput differs by less
	// than 10 % even where it falls as steeply as it rose.
	closeLevels = 1.2
)

// Level is what a server did with one number of rows in flight.
type Level struct {
	InFlight        int     `json:"in_flight"`
	TokensPerSecond float64 `json:"tokens_per_second"` // written by the model, and those of the prompts at their price
	Answers         int64   `json:"answers"`
	Failures        int64   `json:"failures,omitempty"`
	Seconds         float64 `json:"seconds"` // of the last measurement
}

// climb looks for the knee of a server's throughput over the number in flight: the smallest number that does as well as the
// best one. Past it rows only take longer, so that more of them are lost to a kill; and with some servers throughput falls.
//
// It begins at the most that the plan allows, and not at one: the plan is right for most models and GPUs, and a climb from
// below would cost every short run a part of its slots. It halves the number for as long as that costs nothing, and then
// closes in on the knee between its neighbours.
type climb struct {
	slots int // none of the levels between slots and most is tried: those few that wait at the door cost nothing
	most  int
	curve []Level // the last measurement of each level, by InFlight
}

// note takes a measurement.
func (c *climb) note(l Level) {
	at, there := slices.BinarySearchFunc(c.curve, l, func(a, b Level) int { return a.InFlight - b.InFlight })
	if there {
		c.curve[at] = l
		return
	}
	c.curve = slices.Insert(c.curve, at, l)
}

// best is where on the curve throughput is highest, and knee the first level that is as good. Something must have been
// measured.
func (c *climb) best() (best, knee int) {
	for i, l := range c.curve {
		if l.TokensPerSecond > c.curve[best].TokensPerSecond {
			best = i
		}
	}
	knee = slices.IndexFunc(c.curve, func(l Level) bool { return l.TokensPerSecond >= kneeShare*c.curve[best].TokensPerSecond })
	return best, knee
}

// next is the level to measure next; known is true where that is the knee, and nothing is left to be measured.
func (c *climb) next() (level int, known bool) {
	if len(c.curve) == 0 {
		return c.most, false
	}
	best, knee := c.best()
	if best == len(c.curve)-1 && c.curve[best].InFlight < c.most {
		return min(c.most, 2*c.curve[best].InFlight), false
	}
	if half := c.curve[0].InFlight / 2; knee == 0 && half >= 1 && half < c.slots {
		return half, false
	}
	for _, at := range []int{best, knee} {
		if level, ok := c.between(at-1, at); ok {
			return level, false
		}
		if level, ok := c.between(at, at+1); ok {
			return level, false
		}
	}
	return c.curve[knee].InFlight, true
}

// between is a level between two neighbours on the curve, where there is one worth measuring.
func (c *climb) between(low, high int) (int, bool) {
	if low < 0 || high >= len(c.curve) {
		return 0, false
	}
	a, b := c.curve[low], c.curve[high]
	if b.InFlight-a.InFlight < 2 || float64(b.InFlight) <= closeLevels*float64(a.InFlight) {
		return 0, false
	}
	// No row is quicker beside more others. So each level does at most what the rows of the one below would do side by side.
	if a.TokensPerSecond*float64(min(b.InFlight, c.slots)) <= nearBest*b.TokensPerSecond*float64(a.InFlight) {
		return 0, false
	}
	middle := int(math.Round(math.Sqrt(float64(a.InFlight) * float64(b.InFlight))))
	middle = min(max(middle, a.InFlight+1), b.InFlight-1)
	return middle, middle < c.slots
}

// loss is the part of the best throughput that a level lacks.
func (c *climb) loss(l Level) float64 {
	best, _ := c.best()
	if top := c.curve[best].TokensPerSecond; top > 0 {
		return max(0, 1-l.TokensPerSecond/top)
	}
	return 0
}
