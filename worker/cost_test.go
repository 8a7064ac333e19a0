package worker

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// A row costs little memory on its whole way: read, asked, answered and written. The stand-in is a process of its own, so its
// memory does not count. The benchmark subtracts a short run from a long run, so the start of a run does not count. With
// net/http's transport and encoding/json a row had 153 allocations.
func BenchmarkMemoryOfARun(b *testing.B) {
	const (
		few, many      = 1000, 4000
		maxAllocations = 100.0
		maxBytes       = 16 << 10
	)
	allocations, bytes := allocated(b, few)
	allocationsOfMany, bytesOfMany := allocated(b, many)
	each := float64(allocationsOfMany-allocations) / (many - few)
	size := float64(bytesOfMany-bytes) / (many - few)
	b.ReportMetric(each, "allocs/row")
	b.ReportMetric(size, "B/row")
	if each > maxAllocations || size > maxBytes {
		b.Errorf("a row of 1 KB costs %.1f allocations and %.0f bytes, want at most %.0f and %d", each, size, maxAllocations, maxBytes)
	}
}

// allocated returns the number and the bytes of the allocations of a run of n rows of 1 KB.
func allocated(t testing.TB, n int) (allocations, bytes uint64) {
	t.Helper()
	c, _ := config(t, 0)
	var rows strings.Builder
	for i := range n {
		fmt.Fprintf(&rows, `{"custom_id":"%d","prompt":"%s x"}`+"\n", i, strings.Repeat("word and ", 1000/9))
	}
	if err := os.WriteFile(c.Input, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Request.Context = 4096
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, err := runOnce(t, t.Context(), c, nil)
	runtime.ReadMemStats(&after)
	if err != nil || s.OK != int64(n) {
		t.Fatalf("summary %+v, %v", s, err)
	}
	return after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc
}
