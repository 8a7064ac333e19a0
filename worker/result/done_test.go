package result

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"fluxworker/worker/prompt"
)

// With what prompt remembers of the rows that it has read, at most 15.5 bytes each, a row costs no more than 32 bytes.
func BenchmarkMemoryOfDone(b *testing.B) {
	const rows, most = 1_000_000, 16.5
	random := rand.New(rand.NewPCG(1, 1))
	before := heap()
	d := new(Done)
	for range rows {
		d.answered.keys.add(entry{name: random.Uint64(), request: 1})
	}
	d.seal()
	bytesPerRow(b, float64(heap()-before)/rows, most)
	runtime.KeepAlive(d)
}

// bytesPerRow reports the memory per row, and fails the benchmark if it exceeds the promised value.
func bytesPerRow(b *testing.B, each, most float64) {
	b.Helper()
	if b.ReportMetric(each, "B/row"); each > most {
		b.Errorf("a row takes %.1f bytes, want %.1f at most", each, most)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestRowSet(t *testing.T) {
	d := new(Done)
	key := func(i uint64) (k prompt.Key) {
		binary.BigEndian.PutUint64(k[:8], i*0x9e3779b97f4a7c15) // spread over the segments
		return k
	}
	for i := range uint64(5000) {
		k := &d.answered
		if i%3 == 0 {
			k = &d.failed
		}
		k.add(parsed{key: key(i)})
	}
	if twice := d.seal(); len(twice) > 0 {
		t.Fatalf("%d names are there twice", len(twice))
	}
	m := d.NewRowSet()
	for i := uint64(0); i < 10000; i += 7 {
		m.Add(key(i)) // half of them have no line
	}
	for i := range uint64(10000) {
		if got, want := m.Has(key(i)), i < 5000 && i%7 == 0; got != want {
			t.Fatalf("row %d is marked: %t, want %t", i, got, want)
		}
	}
}
