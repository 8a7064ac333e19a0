package prompt

import (
	"hash/maphash"
	"strings"
	"testing"
)

// Two prompts have as many levels in common as they have whole blocks.
func TestPrefix(t *testing.T) {
	s := maphash.MakeSeed()
	of := func(system, document string) Prefix {
		return PrefixOf(s, &Request{Messages: []Message{{Role: "system", Content: system}, {Role: "user", Content: document + "?"}}})
	}
	text := func(word string, bytes int) string { return strings.Repeat(word+" ", bytes/(len(word)+1)+1)[:bytes] }
	document := text("document", 10_000)
	for _, tt := range []struct {
		a, b   Prefix
		common int
	}{
		{of("", "short"), of("", "short"), 0},
		{of("", document), of("", document), 30}, // 16 of 256 bytes, and then a sixteenth more each
		{of("", document), of("", document[:1000]+"x"), 3},
		{of("", document), of("other", document), 0},
		{of("", document[:1000]), of("", document[:1000]+"more"), 3},
	} {
		if got := tt.a.Common(tt.b); got != tt.common {
			t.Errorf("%d and %d levels have %d in common, want %d", len(tt.a), len(tt.b), got, tt.common)
		}
	}
	if got := PrefixBytes(len(of("", document))); got < 9_500 || got > 10_007 {
		t.Errorf("the levels of %d bytes have %d bytes", 10_007, got)
	}
	if n := len(of("", text("long", 1<<20))); n > 120 {
		t.Errorf("a megabyte has %d levels", n)
	}
	withImage := Request{Messages: []Message{{Role: "user", Content: "?", Images: [][]byte{[]byte(text("pixel", 300))}}}}
	withTool := Request{Tools: []Tool{{Name: "f", Description: text("tool", 300)}}, Messages: []Message{{Role: "user", Content: "?"}}}
	if len(PrefixOf(s, &withImage)) != 1 || len(PrefixOf(s, &withTool)) != 1 {
		t.Error("images or tools do not count")
	}
}
