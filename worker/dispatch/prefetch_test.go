package dispatch

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"fluxworker/worker/input"
	"fluxworker/worker/prompt"
)

// Rows wait in the order of the input, up to the limits of their number and their size.
func TestPrefetch(t *testing.T) {
	t.Parallel()
	const rows = input.Prefetched + 10
	for _, tt := range []struct{ bytes, held int }{
		{10, input.Prefetched}, {largeRow - 1, input.Prefetched}, {prefetchBytes / 4, 4}, {prefetchBytes/4 + 1, 3}, {2 * prefetchBytes, 1},
	} {
		t.Run(fmt.Sprint(tt.bytes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPrefetch()
				image := make([]byte, tt.bytes)
				pushed := 0
				go func() {
					defer close(p.rows)
					for i := range int64(rows) {
						p.push(t.Context(), prompt.Row{Index: i, Request: prompt.Request{Messages: []prompt.Message{{Images: [][]byte{image}}}}})
						pushed++
					}
				}()
				synctest.Wait()
				if pushed != tt.held {
					t.Errorf("%d rows wait, want %d", pushed, tt.held)
				}
				next := int64(0)
				for row := range p.rows {
					if row.Index != next {
						t.Fatalf("row %d came after row %d", row.Index, next-1)
					}
					p.release(&row)
					next++
				}
				if next != rows {
					t.Errorf("%d rows came, want %d", next, rows)
				}
			})
		})
	}
}

// The weight of a row counts every field that may be long.
func TestLargeRowsCount(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", largeRow)
	for name, request := range map[string]prompt.Request{
		"content":   {Messages: []prompt.Message{{Content: long}}},
		"reasoning": {Messages: []prompt.Message{{Reasoning: long}}},
		"call":      {Messages: []prompt.Message{{ToolCalls: []prompt.ToolCall{{Arguments: []byte(long)}}}}},
		"tool":      {Tools: []prompt.Tool{{Parameters: []byte(long)}}},
		"schema":    {Structure: &prompt.Structure{Schema: []byte(long)}},
		"suffix":    {Suffix: long},
		"texts":     {Embedding: &prompt.Embedding{Input: []string{long[1:], "x"}}},
	} {
		if got := weigh(&prompt.Row{Request: request}); got != largeRow {
			t.Errorf("%s: a row of %d bytes counts as %d", name, largeRow, got)
		}
	}
}
