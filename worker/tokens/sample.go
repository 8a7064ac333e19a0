package tokens

import (
	"strings"
	"sync"

	"fluxworker/worker/prompt"
)

const (
	// MostSampled is how many rows a sample has at most.
	MostSampled = 4096
	// mostText is how many bytes of prompts are kept to be cut by a vocabulary, and mostOfRow how many of each.
	mostText  = 64 << 10
	mostOfRow = 2 << 10
	// LikelyAnswer is how many tokens an answer is taken to have at most, whatever its row allows: many rows allow far more
	// than any answer takes. One that does take more and reaches the context's end is asked again.
	LikelyAnswer = 4096
)

// Sample is some of an input's rows, by what they take. It may be used from many goroutines. The zero value has none.
type Sample struct {
	mu    sync.Mutex
	rows  []size
	texts []string
	bytes int // of texts
}

// size is what decides how much context a row needs.
type size struct {
	weight int   // of its prompt
	answer int   // tokens that its answer may have
	stands int64 // for how many rows of the input it stands
}

// Add takes a row in, and tells whether there is room for another one.
func (s *Sample) Add(r *prompt.Request) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rows) >= MostSampled {
		return false
	}
	s.rows = append(s.rows, size{Weigh(r), Answer(r), 1})
	for i := range r.Messages {
		text := r.Messages[i].Content
		text = text[:min(len(text), mostOfRow)]
		if s.bytes += len(text); text != "" && s.bytes <= mostText {
			s.texts = append(s.texts, strings.Clone(text)) // not the whole of the row
		}
	}
	return true
}

// Merge takes another sample in, each row of which stands for so many rows of the input, at least for itself.
func (s *Sample) Merge(other *Sample, stands float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	other.mu.Lock()
	defer other.mu.Unlock()
	for _, row := range other.rows {
		row.stands = max(1, int64(stands+0.5))
		s.rows = append(s.rows, row)
	}
	for _, text := range other.texts {
		if s.bytes += len(text); s.bytes <= mostText {
			s.texts = append(s.texts, text)
		}
	}
}

// Rows is how many there are.
func (s *Sample) Rows() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows)
}

// Scale tells an estimator how a vocabulary cuts the rows' texts. A nil one tells nothing.
func (s *Sample) Scale(v *Vocabulary, e *Estimator) {
	if v == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	weight, tokens := 0, 0
	for _, text := range s.texts {
		weight += weighText(text)
		tokens += v.Count(text)
	}
	e.Scale(weight, tokens)
}

// Demand is how much context the rows need, by an estimator.
func (s *Sample) Demand(e *Estimator) *Demand {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := new(Demand)
	for _, row := range s.rows {
		d.add(e.AtMost(row.weight)+min(row.answer, LikelyAnswer), row.stands)
	}
	return d
}
