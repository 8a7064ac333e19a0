package tokens

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"fluxworker/worker/prompt"
)

// The share is that of the text which a slot has read for an earlier row, whatever the order of the rows within a look-ahead.
func TestSharing(t *testing.T) {
	document := func(n, bytes int) string {
		return strings.Repeat(fmt.Sprintf("document %d ", n), bytes)[:bytes]
	}
	ask := func(system, text string, n int) *prompt.Request {
		return &prompt.Request{Messages: []prompt.Message{{Role: "system", Content: system}, {Role: "user", Content: text}}, N: n}
	}
	for _, tt := range []struct {
		name string
		rows func(add func(*prompt.Request))
		want float64
	}{
		{"no rows", func(func(*prompt.Request)) {}, 0},
		{"nothing shared", func(add func(*prompt.Request)) {
			for i := range 100 {
				add(ask("", document(i, 4000), 1))
			}
		}, 0},
		{"six questions about each text", func(add func(*prompt.Request)) {
			for i := range 600 {
				add(ask("", document(i/6, 4000)+fmt.Sprint("question ", i), 1))
			}
		}, 5.0 / 6},
		{"the same, one question about each text in turn", func(add func(*prompt.Request)) {
			for i := range 600 {
				add(ask("", document(i%100, 4000)+fmt.Sprint("question ", i), 1))
			}
		}, 5.0 / 6},
		{"the same, too far away", func(add func(*prompt.Request)) {
			for i := range 6000 {
				add(ask("", document(i%2000, 4000)+fmt.Sprint("question ", i), 1))
			}
		}, 0},
		{"half of each prompt is a system message", func(add func(*prompt.Request)) {
			for i := range 500 {
				add(ask(document(0, 4000), document(i, 4000), 1))
			}
		}, 0.5},
		{"four answers", func(add func(*prompt.Request)) {
			for i := range 100 {
				add(ask("", document(i, 4000), 4))
			}
		}, 0.75},
	} {
		s := NewSharing()
		tt.rows(s.Add)
		if got := s.Share(); math.Abs(got-tt.want) > 0.04 {
			t.Errorf("%s: %.3f of the tokens, want %.3f", tt.name, got, tt.want)
		}
		if len(s.last) > 3*LookAheadRows*60 {
			t.Errorf("%s: %d hashes are kept", tt.name, len(s.last))
		}
	}
	var none *Sharing
	if none.Share() != 0 || none.String() != "" {
		t.Errorf("without an estimate: %v, %q", none.Share(), none)
	}
}
