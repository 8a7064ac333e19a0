package batcher

import "fmt"

// Learned is what an earlier run of the same model, engine and kind of GPU measured.
type Learned struct {
	// Bytes is the memory that a server took on its first device beyond its plan; negative if it took less.
	Bytes int64
	// Ubatch is the ubatch of that server. Its compute buffer says nothing about that of another ubatch.
	Ubatch int
	// Slots is the number of slots that a server held where it did not hold those of its plan, with Context tokens each; 0
	// where each server held its plan.
	Slots   int
	Context int
	// From names the run, for the user.
	From string
}

// learnedName is the Term.Name of the difference between plan and measurement.
const learnedName = "measured before"

// LearnedBytes returns the difference that is in a server's terms already; 0 without one.
func LearnedBytes(terms []Term) int64 {
	for _, t := range terms {
		if t.Name == learnedName {
			return t.Bytes
		}
	}
	return 0
}

// corrected returns the memory of a server with the difference that an earlier run measured. A server that took less than its
// plan makes room only for servers with the same ubatch, and at most half of what is estimated: the compute buffer and the
// runtime. So the sum of the terms still never falls with slots or context.
func (l *Learned) corrected(memory memoryFor) memoryFor {
	if l == nil || l.Bytes == 0 {
		return memory
	}
	return func(s serverSpec) []Term {
		terms := memory(s)
		bytes := l.Bytes
		if bytes < 0 {
			if int64(l.Ubatch) != s.ubatch {
				return terms
			}
			var estimated int64
			for _, t := range terms {
				if t.Name == computeName || t.Name == runtimeName {
					estimated = plus(estimated, t.Bytes)
				}
			}
			bytes = max(bytes, -estimated/2)
		}
		how := "more"
		if bytes < 0 {
			how = "less"
		}
		corrected := append([]Term(nil), terms...)
		return append(corrected, Term{learnedName, bytes, fmt.Sprintf("%s took %s %s than its plan on such a GPU", l.From, Size(max(bytes, -bytes)), how)})
	}
}

// mostSlots returns the number of slots that an earlier run's server held at this context; 0 for no limit.
func (l *Learned) mostSlots(context int) int {
	if l == nil || context < l.Context {
		return 0
	}
	return l.Slots
}
