package result

import (
	"os"
	"testing"
)

// A process that was killed while it pinned a file has left a draft, which the next process removes.
func TestPinLeavesNoDraft(t *testing.T) {
	p := paths(t)
	var got string
	if err := p.Pin("output.json", "a", &got); err != nil {
		t.Fatal(err)
	}
	put(t, p.In(".output.json.1467625297"), "{")
	err := p.Pin("output.json", "b", &got)
	if err != nil || got != "a" {
		t.Errorf("pinned is %q, %v; want what was pinned first", got, err)
	}
	entries, err := os.ReadDir(p.Run)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v; want the file alone", entries, err)
	}
}
