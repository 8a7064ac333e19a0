package report

import (
	"cmp"
	"context"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"fluxworker/worker/json"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// The numbers of rows that a report shows beside the sample.
const (
	showExtreme  = 5  // of the longest and of the shortest answers
	showCut      = 10 // of the answers that ended at max_tokens
	showFailed   = 10 // of the failed rows
	showPerCode  = 3  // first failures of a code
	maxCodes     = 40 // codes that are told apart
	maxReasons   = 40 // finish reasons that are told apart
	otherReasons = "other"
)

// rows is what the lines of an output say, in bounded memory.
type rows struct {
	answered, failed, damaged int64
	in, cached, out           distribution // tokens of the answered rows
	withCached                int64        // rows whose slot had read a part of the prompt
	reasons                   tally        // finish reasons
	codes                     tally        // codes of failures
	first                     map[string][]shownRow

	sample, longest, shortest, cut, failures *best
}

// shownRow is a row that the report shows.
type shownRow struct {
	key        prompt.Key
	customID   string
	line       int64 // of the input; 0 where unknown
	prompt     []turn
	answer     string // as far as it is shown
	characters int    // of the whole answer
	reason     string // finish reason
	in, out    int64  // tokens; -1 where unknown
	code       string // of a failure
	message    string
}

// readRows reads all lines of the parts.
func readRows(ctx context.Context, parts []result.Part, c Config) (*rows, error) {
	priority := func(r *measured) uint64 { return mix(binary.BigEndian.Uint64(r.key[:8]) ^ mix(c.Seed)) }
	longest := func(r *measured) uint64 { return ^uint64(r.characters) }
	rs := &rows{
		reasons: newTally(maxReasons), codes: newTally(maxCodes), first: make(map[string][]shownRow),
		sample: newBest(c.Show, priority), longest: newBest(showExtreme, longest),
		shortest: newBest(showExtreme, func(r *measured) uint64 { return uint64(r.characters) }),
		cut:      newBest(showCut, priority), failures: newBest(showFailed, priority),
	}
	for _, p := range parts {
		for _, path := range []string{p.Paths.Results, p.Paths.Errors} {
			damaged, err := result.EachLine(ctx, path, func(line result.Read) error { rs.add(line); return nil })
			if err != nil {
				return nil, err
			}
			rs.damaged += damaged
		}
	}
	return rs, nil
}

// measured is a line with what decides whether the report shows it.
type measured struct {
	shownRow
	text string
}

// add counts a line.
func (rs *rows) add(line result.Read) {
	m := measured{shownRow: shownRow{key: line.Key, customID: line.CustomID, in: -1, out: -1}}
	if !line.Answered {
		rs.failed++
		m.code, m.message, m.line = line.Failure.Code, line.Failure.Message, line.Failure.Line
		code := rs.codes.add(m.code)
		if few := rs.first[code]; len(few) < showPerCode {
			rs.first[code] = append(few, m.kept())
		}
		rs.failures.offer(&m)
		return
	}
	rs.answered++
	body := parseBody(line.Body)
	m.reason = body.reason()
	rs.reasons.add(cmp.Or(m.reason, "none"))
	if in, cached, out, ok := body.tokens(); ok {
		rs.in.add(in)
		rs.out.add(out)
		if m.in, m.out = in, out; cached > 0 {
			rs.withCached++
			rs.cached.add(cached)
		}
	}
	texts, err := result.AnswerTexts(line.Body)
	if err != nil {
		texts = []string{string(line.Body)}
	}
	m.text = strings.Join(texts, "\n\n")
	m.characters = utf8.RuneCountInString(m.text)
	rs.sample.offer(&m)
	rs.longest.offer(&m)
	rs.shortest.offer(&m)
	if m.reason == reasonLength {
		rs.cut.offer(&m)
	}
}

// kept returns the row with as much of its texts as the report shows.
func (m *measured) kept() shownRow {
	r := m.shownRow
	r.answer, r.message = clip(m.text, maxAnswer), clip(m.message, maxMessage)
	r.customID, r.code, r.reason = clip(r.customID, maxName), clip(r.code, maxName), clip(r.reason, maxName)
	return r
}

// reasonLength is the finish reason of an answer that ended at max_tokens.
const reasonLength = "length"

// body is the part of a response that a report reads.
type body struct {
	Choices []struct {
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Object string `json:"object"`
	Status string `json:"status"` // of a response, which has no choices
	Usage  struct {
		Prompt     *int64  `json:"prompt_tokens"`
		Completion *int64  `json:"completion_tokens"`
		Input      *int64  `json:"input_tokens"`
		Output     *int64  `json:"output_tokens"`
		Details    details `json:"prompt_tokens_details"`
		InDetails  details `json:"input_tokens_details"`
	} `json:"usage"`
}

// details holds the tokens that a slot had read already.
type details struct {
	Cached int64 `json:"cached_tokens"`
}

// parseBody returns the part of a response that a report reads; a part of another type is left out.
func parseBody(data []byte) (b body) {
	_ = json.Unmarshal(data, &b)
	return b
}

// reason returns the finish reason; "" where the body has none. A row with several answers is cut if any of them is.
func (b body) reason() string {
	for _, c := range b.Choices {
		if c.FinishReason == reasonLength {
			return reasonLength
		}
	}
	switch {
	case len(b.Choices) > 0:
		return b.Choices[0].FinishReason
	case b.Status == "completed":
		return "stop"
	case b.Status == "incomplete":
		return reasonLength
	case b.Object == "list":
		return "vector"
	}
	return b.Status
}

// tokens returns the tokens of a row; false where the body has none.
func (b body) tokens() (in, cached, out int64, ok bool) {
	first, second := cmp.Or(b.Usage.Prompt, b.Usage.Input), cmp.Or(b.Usage.Completion, b.Usage.Output)
	if first == nil {
		return 0, 0, 0, false
	}
	if second != nil {
		out = *second
	}
	return *first, b.Usage.Details.Cached + b.Usage.InDetails.Cached, out, true
}

// mix returns a number that looks like chance (the finalizer of splitmix64), so that rows are in the sample by their names alone:
// the same rows for the same seed, in whatever order the lines are.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
