package dispatch

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"fluxworker/worker/input"
	"fluxworker/worker/prompt"
)

// Rows wait in their order, so many and so large as may be.
func TestPrefetch(t *testing.T) {
	t.Parallel()
	const rows = input.Prefetched + 10
	for _, tt := range []struct{ bytes, held int }{
		{10, input.Prefetched}, {largeRow - 1, input.Prefetched}, {prefetchBytes / 4, 4}, {prefetchBytes/4 + 1, 3}, {2 * prefetchBytes, 1},
	} {
		t.Run(fmt.Sprint(tt.bytes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newPrefetch()
				image := make([]byte, tt.bytes)
				put := 0
				go func() {
					defer close(a.rows)
					for i := range int64(rows) {
						a.push(t.Context(), prompt.Row{Index: i, Request: prompt.Request{Messages: []prompt.Message{{Images: [][]byte{image}}}}})
						put++
					}
				}()
				synctest.Wait()
				if put != tt.held {
					t.Errorf("%d rows wait, want %d", put, tt.held)
				}
				next := int64(0)
				for row := range a.rows {
					if row.Index != next {
						t.Fatalf("row %d came after row %d", row.Index, next-1)
					}
					a.release(&row)
					next++
				}
				if next != rows {
					t.Errorf("%d rows came, want %d", next, rows)
				}
			})
		})
	}
}

// Whatever it is that makes a row large, it counts.
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
