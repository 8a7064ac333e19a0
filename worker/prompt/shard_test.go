package prompt

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"fluxworker/test/seed"
)

// anyInput makes an input with everything in it that rows and lines can be.
func anyInput(random *rand.Rand) string {
	lines := []string{
		`{"custom_id":"a","prompt":"x"}`, `{"custom_id":"b","prompt":"y"}`, `{"prompt":"no name"}`, `{"prompt":"no name"}`, "",
		"# a comment", "   ", `{"custom_id":"row-3","prompt":"taken"}`, "not JSON", `{"custom_id":5,"prompt":"x"}`, "{\"custom_id\":\"\xff\"}",
		`{"custom_id":"long","prompt":"` + strings.Repeat("z", 300) + `"}`, `[1]`, `{"custom_id":"u","prompt":"\u00e9"}`,
	}
	var b strings.Builder
	for range random.IntN(40) {
		b.WriteString(lines[random.IntN(len(lines))])
		b.WriteString([]string{"\n", "\r\n"}[random.IntN(2)])
	}
	return strings.TrimSuffix(b.String(), []string{"\n", "", "\r\n"}[random.IntN(3)])
}

func readShard(t *testing.T, input string, o Options) (rows []string) {
	t.Helper()
	o.Format, o.MaxRowBytes, o.Defaults.Model = JSONL, 200, "m"
	r := NewReader(strings.NewReader(input), o)
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		reject := ""
		if row.Reject != nil {
			reject = row.Reject.Code
		}
		rows = append(rows, fmt.Sprint(row.Index, row.Line, row.CustomID, row.Key, reject))
	}
}

// However an input is split, its shards together are the input: every row in one of them, under the same name, key and
// verdict as without a split.
func TestShardsAreTheInput(t *testing.T) {
	seed.Each(t, seed.First(1), func(t *testing.T, random *rand.Rand) {
		for range 500 {
			input := anyInput(random)
			for _, first := range []bool{false, true} {
				whole := readShard(t, input, Options{KeepFirst: first})
				n := 1 + random.IntN(7)
				shards := Shards{Count: int64(n), Block: random.Int64N(5)}
				parts := make([][]string, n)
				for i := range n {
					parts[i] = readShard(t, input, Options{KeepFirst: first, Shard: int64(i), Shards: shards})
				}
				together := slices.Concat(parts...)
				slices.Sort(together)
				slices.Sort(whole)
				if !slices.Equal(together, whole) {
					t.Fatalf("%+v of %q:\n%q\nthe whole:\n%q", shards, input, together, whole)
				}
			}
		}
	})
}

// The shards of an input take blocks of consecutive rows in turn. At each length of the input, no shard has more than a block
// more rows than another shard, and a block is a small part of what a shard has.
func TestShardsTakeBlocksInTurn(t *testing.T) {
	for _, s := range []Shards{{Count: 2, Block: 64}, {Count: 16, Block: 64}, {Count: 7, Block: 3}, {Count: 3, Block: 1}, {Count: 3}} {
		rows, length, longest, last := make([]int64, s.Count), int64(0), int64(0), int64(-1)
		for i := range 50 * s.Count * max(1, s.Block) {
			shard := s.Of(i)
			if shard == last {
				length++
			} else {
				if last >= 0 && shard != (last+1)%s.Count {
					t.Fatalf("%+v: after a block of shard %d, row %d belongs to shard %d", s, last, i, shard)
				}
				length, last = 1, shard
			}
			longest = max(longest, length)
			rows[shard]++
			if least := slices.Min(rows); rows[shard]-least > max(1, s.Block) || least > 0 && (rows[shard]-least)*(rows[shard]-least) > 4*rows[shard] {
				t.Fatalf("%+v: after %d rows the shards have %d rows", s, i+1, rows)
			}
		}
		if longest != max(1, s.Block) {
			t.Errorf("%+v: the longest block has %d rows", s, longest)
		}
	}
}

// With NamesOnly a reader returns the same rows with the same names, independent of the defaults.
func TestNamesOnly(t *testing.T) {
	seed.Each(t, seed.First(1), func(t *testing.T, random *rand.Rand) {
		names := func(input string, o Options) (list []string) {
			o.Format, o.MaxRowBytes = JSONL, 200
			r := NewReader(strings.NewReader(input), o)
			for {
				row, err := r.Next()
				if errors.Is(err, io.EOF) {
					return list
				}
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, fmt.Sprint(row.Index, row.Line, row.CustomID, row.Key.Name()))
			}
		}
		for range 200 {
			input := anyInput(random)
			for _, first := range []bool{false, true} {
				want := names(input, Options{KeepFirst: first, Defaults: Defaults{Model: "m"}})
				got := names(input, Options{KeepFirst: first, NamesOnly: true})
				if !slices.Equal(got, want) {
					t.Fatalf("%q by names alone: %q, want %q", input, got, want)
				}
			}
		}
	})
}

// What the reader remembers of the rows it has read is a few bytes each, whatever else is allocated.
func BenchmarkMemoryOfNames(b *testing.B) {
	const rows, most = 1_000_000, 15.5
	for _, kind := range []string{"named", "unnamed"} {
		h := newHasher()
		n := newNames(h)
		before := heap()
		for i := range rows {
			text := fmt.Appendf(nil, "row %d", i)
			row := Row{}
			id := ""
			if kind == "named" {
				id = string(text)
			}
			n.assign(&row, id, &line{number: int64(i + 1), text: text}, true)
		}
		each := float64(heap()-before) / rows
		if b.ReportMetric(each, "B/"+kind+"-row"); each > most {
			b.Errorf("a %s row takes %.1f bytes, want %.1f at most", kind, each, most)
		}
		runtime.KeepAlive(&n)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
