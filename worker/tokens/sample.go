package tokens

import (
	"strings"
	"sync"

	"fluxworker/worker/prompt"
)

const (
	// MaxSampled is the number of rows from which Add refuses further rows.
	MaxSampled = 4096
	// maxText limits the text of a sample, maxMessageText the text of one message in it, in bytes. The text is for the
	// vocabulary.
	maxText        = 64 << 10
	maxMessageText = 2 << 10
	// LikelyAnswer is the assumed limit of an answer, in tokens, whatever its row allows: many rows allow far more than any
	// answer needs. A row whose answer is longer and reaches the end of the context is asked again.
	LikelyAnswer = 4096
)

// Sample is a sample of an input's rows, by size. It is safe for concurrent use. The zero value is empty.
type Sample struct {
	mu     sync.Mutex
	rows   []size
	texts  []string
	bytes  int // of texts
	shared *Sharing
}

// size is the size of a row.
type size struct {
	weight int   // of the prompt
	answer int   // the limit of the answer, in tokens
	stands int64 // the number of rows of the input that this row stands for
}

// Compare makes the sample compare its rows for Sharing, which costs a hash of each prompt.
func (s *Sample) Compare() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shared = NewSharing()
}

// Add adds a row. It reports false, and adds nothing, when the sample is full.
func (s *Sample) Add(r *prompt.Request) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rows) >= MaxSampled {
		return false
	}
	s.rows = append(s.rows, size{Weigh(r), Answer(r), 1})
	if s.shared != nil {
		s.shared.Add(r)
	}
	for i := range r.Messages {
		text := r.Messages[i].Content
		text = text[:min(len(text), maxMessageText)]
		if s.bytes += len(text); text != "" && s.bytes <= maxText {
			s.texts = append(s.texts, strings.Clone(text)) // a substring would keep the whole row in memory
		}
	}
	return true
}

// Merge adds the rows of another sample. Each of these rows stands for the given number of rows of the input, rounded, at
// least for one.
func (s *Sample) Merge(other *Sample, stands float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	other.mu.Lock()
	defer other.mu.Unlock()
	for _, row := range other.rows {
		row.stands = max(1, int64(stands+0.5))
		s.rows = append(s.rows, row)
	}
	if other.shared != nil {
		if s.shared == nil {
			s.shared = NewSharing()
		}
		s.shared.merge(other.shared, stands)
	}
	for _, text := range other.texts {
		if s.bytes += len(text); s.bytes <= maxText {
			s.texts = append(s.texts, text)
		}
	}
}

// Rows returns the number of rows in the sample.
func (s *Sample) Rows() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows)
}

// Sharing returns what the rows share with the rows before them; nil without Compare. Of a sample in places of a file, rows of
// different places are not compared. The caller must not add rows any more.
func (s *Sample) Sharing() *Sharing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shared
}

// Scale scales an estimator by the vocabulary's tokens for the texts of the sample. A nil vocabulary changes nothing.
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

// Demand returns the estimated demand of the rows, with answers of at most LikelyAnswer tokens.
func (s *Sample) Demand(e *Estimator) *Demand {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := new(Demand)
	for _, row := range s.rows {
		d.add(e.AtMost(row.weight)+min(row.answer, LikelyAnswer), row.stands)
	}
	return d
}
