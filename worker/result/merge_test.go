package result

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fluxworker/test/seed"
	"fluxworker/worker/prompt"
)

// mergeRow is row i of the merge tests.
func mergeRow(i int) prompt.Row {
	r := prompt.Row{Index: int64(i), Line: int64(i + 1), CustomID: fmt.Sprintf("r%d", i)}
	binary.BigEndian.PutUint64(r.Key[:], uint64(i+1)*0x9e3779b97f4a7c15)
	return r
}

// mergeLine is the line of row i, of a length that differs.
func mergeLine(i int, failed bool) string {
	l := Line{ID: mergeRow(i).Key.String(), CustomID: mergeRow(i).CustomID, Response: answered(strings.Repeat("x", i*i%5000))}
	if failed {
		l.Response, l.Error = nil, &Failure{Code: "no", Message: "no"}
	}
	data, err := l.encode()
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(data)
}

// rowsOf hands out so many rows.
func rowsOf(n int) func() (prompt.Row, error) {
	i := 0
	return func() (prompt.Row, error) {
		if i == n {
			return prompt.Row{}, io.EOF
		}
		i++
		return mergeRow(i - 1), nil
	}
}

// writeShard fills the files of a shard.
func writeShard(t *testing.T, output string, s Shard, answers, failures string) Paths {
	t.Helper()
	p, err := PathsOf(output, s)
	if err != nil {
		t.Fatal(err)
	}
	put(t, p.Results, answers)
	put(t, p.Errors, failures)
	return p
}

// mergeAll merges so many rows from an output's parts to all.jsonl beside it.
func mergeAll(t *testing.T, output string, rows int, partial bool) (m Merged, answers, failures string) {
	t.Helper()
	parts, err := Parts(output)
	if err != nil {
		t.Fatal(err)
	}
	split, err := Split(output, parts)
	if err != nil {
		t.Fatal(err)
	}
	to, err := PathsOf(filepath.Join(filepath.Dir(output), "all.jsonl"), Shard{})
	if err != nil {
		t.Fatal(err)
	}
	m, err = Merge(t.Context(), MergeOptions{Parts: parts, Split: split, Rows: rowsOf(rows), To: &to, Partial: partial})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(to.Results); (err == nil) != m.Written {
		t.Fatalf("written %t, but the file: %v", m.Written, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(output), ".*")); len(left) > 0 {
		t.Errorf("the merge left %q", left)
	}
	if m.Written {
		answers, failures = get(t, to.Results), get(t, to.Errors)
	}
	return m, answers, failures
}

// However many shards there are and in whatever order their rows were done, the merge has every line, in the order of the
// input.
func TestMergeIsInInputOrder(t *testing.T) {
	seed.Each(t, seed.First(1), func(t *testing.T, random *rand.Rand) {
		for range 40 {
			rows, n := random.IntN(600), 1+random.IntN(12)
			output := filepath.Join(t.TempDir(), "results.jsonl")
			shards := make([][]int, n)
			var wantAnswers, wantFailures strings.Builder
			for i := range rows {
				shards[i%n] = append(shards[i%n], i)
				if i%5 == 3 {
					wantFailures.WriteString(mergeLine(i, true))
				} else {
					wantAnswers.WriteString(mergeLine(i, false))
				}
			}
			for s, list := range shards {
				if random.IntN(2) == 0 {
					random.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
				}
				var files [2]strings.Builder
				for _, i := range list {
					if i%5 == 3 {
						files[1].WriteString(mergeLine(i, true))
					} else {
						files[0].WriteString(mergeLine(i, false))
					}
				}
				writeShard(t, output, Shard{Index: s, Count: n}, files[0].String(), files[1].String())
			}
			m, answers, failures := mergeAll(t, output, rows, false)
			if !m.Written || m.Missing+m.Strays+m.Doubles+m.Superseded != 0 || m.Rows != int64(rows) || m.Answered+m.Failed != m.Rows {
				t.Fatalf("%d rows in %d shards: %+v", rows, n, m)
			}
			if answers != wantAnswers.String() || failures != wantFailures.String() {
				t.Fatalf("%d rows in %d shards: the lines are not those of the rows in their order", rows, n)
			}
		}
	})
}

func TestMergeTellsWhatIsMissing(t *testing.T) {
	output := filepath.Join(t.TempDir(), "results.jsonl")
	torn := mergeLine(6, false)
	p := writeShard(t, output, Shard{Index: 0, Count: 3}, mergeLine(3, false)+mergeLine(0, false)+torn[:len(torn)-5], "")
	damaged := strings.Replace(mergeLine(4, false), `"error"`, "\x00error\"", 1)
	q := writeShard(t, output, Shard{Index: 1, Count: 3}, mergeLine(1, false)+damaged+mergeLine(7, false), "")
	before := get(t, p.Results) + get(t, q.Results)
	m, _, _ := mergeAll(t, output, 9, false)
	if m.Written || m.Missing != 5 || fmt.Sprint(m.MissingIn) != "[1 1 3]" || len(m.Absent) != 5 {
		t.Errorf("got %+v", m)
	}
	if a := m.Absent[1]; a.Line != 5 || a.CustomID != "r4" || a.Shard != (Shard{Index: 1, Count: 3}) {
		t.Errorf("the second missing row is %+v", a)
	}
	want := map[string]Damage{
		p.Results: {Path: p.Results, Torn: int64(len(torn) - 5)},
		q.Results: {Path: q.Results, Lines: 1, First: 2},
	}
	for _, d := range m.Damage {
		if d != want[d.Path] {
			t.Errorf("damage %+v, want %+v", d, want[d.Path])
		}
	}
	if len(m.Damage) != 2 {
		t.Errorf("damage in %d files, want 2", len(m.Damage))
	}
	m, answers, _ := mergeAll(t, output, 9, true)
	if !m.Written || answers != mergeLine(0, false)+mergeLine(1, false)+mergeLine(3, false)+mergeLine(7, false) {
		t.Errorf("a partial merge: %+v\n%s", m, answers)
	}
	if after := get(t, p.Results) + get(t, q.Results); after != before {
		t.Error("the merge changed a shard's file")
	}
}

// A row that failed under one split and was answered under another is answered; of two answers the first split's is taken.
func TestMergeOfSeveralSplits(t *testing.T) {
	output := filepath.Join(t.TempDir(), "results.jsonl")
	other := strings.Replace(mergeLine(1, false), "req_1", "req_2", 1)
	p := writeShard(t, output, Shard{Index: 0, Count: 2}, mergeLine(1, false), mergeLine(0, true)+mergeLine(2, true))
	q := writeShard(t, output, Shard{Index: 2, Count: 3}, mergeLine(0, false)+other, mergeLine(2, true))
	m, answers, failures := mergeAll(t, output, 3, false)
	if answers != mergeLine(0, false)+mergeLine(1, false) || failures != mergeLine(2, true) {
		t.Errorf("merged to\n%s%s", answers, failures)
	}
	if m.Doubles != 1 || m.DoubleIn != [2]string{p.Results, q.Results} || m.Superseded != 2 || m.Strays != 0 || !m.Written {
		t.Errorf("got %+v", m)
	}
	// Where the input has lost a row, its lines are told of, and where they are.
	m, _, _ = mergeAll(t, output, 1, false)
	if m.Strays != 2 || fmt.Sprint(m.StraysIn) != fmt.Sprint([]string{p.Results, p.Errors}) {
		t.Errorf("got %+v", m)
	}
}

func TestPartsAndSplit(t *testing.T) {
	dir := t.TempDir()
	output := filepath.Join(dir, "results.jsonl")
	parts := func() string {
		t.Helper()
		found, err := Parts(output)
		if err != nil && !errors.Is(err, ErrNoOutput) {
			t.Fatal(err)
		}
		n, err := Split(output, found)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("of %d:", n.Count)
		for _, p := range found {
			if p.Shard.Count == 0 {
				text += " whole"
			} else {
				text += " " + p.Shard.String()
			}
		}
		return text
	}
	for _, step := range []struct{ file, want string }{
		{"results-other.jsonl", "of 0:"},
		{"results.3-of-4.jsonl", "of 0:"},
		{"results.0004-of-0004.jsonl", "of 0:"},
		{"results.jsonl", "of 1: whole"},
		{"results-errors.0003-of-0004.jsonl", "of 4: 0003-of-0004"}, // and the whole is what they were merged to
		{"results.run/0001-of-0004/lock.000001", "of 4: 0001-of-0004 0003-of-0004"},
		{"results.0000-of-0002.jsonl", "of 0: 0000-of-0002 0001-of-0004 0003-of-0004"},
		{"results.run/lock.000001", "of 0: whole 0000-of-0002 0001-of-0004 0003-of-0004"},
	} {
		put(t, filepath.Join(dir, step.file), "")
		if got := parts(); got != step.want {
			t.Errorf("with %s: %s, want %s", step.file, got, step.want)
		}
	}
	put(t, filepath.Join(dir, "results.run/split.json"), `{"n": 2, "block": 8, "more": {}}`)
	if split, err := Split(output, nil); err != nil || split != (prompt.Shards{Count: 2, Block: 8}) {
		t.Errorf("a pinned split is %+v, %v", split, err)
	}
	put(t, filepath.Join(dir, "results.run/split.json"), `{"n"`)
	if _, err := Split(output, nil); err == nil || !strings.Contains(err.Error(), "split.json") {
		t.Errorf("a damaged split.json: %v", err)
	}
}

// Of two merges to one file the later one is whole, and the earlier says that it is not.
func TestMergesDoNotMix(t *testing.T) {
	to := paths(t)
	first, err := newMergedFiles(to)
	if err != nil {
		t.Fatal(err)
	}
	second, err := newMergedFiles(to)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range []*mergedFiles{first, second} {
		if err := m.write(0, wanted{}, []byte(mergeLine(i, false))); err != nil {
			t.Fatal(err)
		}
	}
	var write *WriteError
	if err := first.publish(); !errors.As(err, &write) || !strings.Contains(err.Error(), "another merge") {
		t.Errorf("the earlier merge: %v", err)
	}
	first.discard()
	if err := second.publish(); err != nil {
		t.Error(err)
	}
	second.discard()
	if got := get(t, to.Results); got != mergeLine(1, false) {
		t.Errorf("the file holds %q", got)
	}
}

func TestMergeIsGivenUp(t *testing.T) {
	output := filepath.Join(t.TempDir(), "results.jsonl")
	writeShard(t, output, Shard{Index: 0, Count: 1}, mergeLine(0, false), "")
	parts, err := Parts(output)
	if err != nil {
		t.Fatal(err)
	}
	to, _ := PathsOf(output, Shard{})
	put(t, to.Results, mergeLine(5, false))
	broken := errors.New("broken")
	for _, how := range []string{"rows", "context", "context while rows come"} {
		ctx, cancel := context.WithCancel(t.Context())
		want := broken
		n := 0
		o := MergeOptions{Parts: parts, To: &to, Partial: true, Rows: func() (prompt.Row, error) {
			if n++; n > 5000 {
				return prompt.Row{}, broken
			}
			if how == "context while rows come" && n == 2500 {
				cancel()
			}
			return mergeRow(n - 1), nil
		}}
		if how != "rows" {
			want = context.Canceled
		}
		if how == "context" {
			cancel()
		}
		if _, err := Merge(ctx, o); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", how, err, want)
		}
		cancel()
		if got := get(t, to.Results); got != mergeLine(5, false) {
			t.Errorf("%s: a merge that was given up wrote %q", how, got)
		}
	}
}

// With what prompt remembers of the rows, at most 15.5 bytes each, a row costs a merge no more than 32 bytes.
func BenchmarkMemoryOfIndex(b *testing.B) {
	const rows, most = 1_000_000, 16.5
	random := rand.New(rand.NewPCG(1, 1))
	before := heap()
	x := new(index)
	for i := range rows {
		x.add(entry{name: random.Uint64(), request: uint64(locationOf(i%9 == 0, i%16, int64(i)*1000))})
	}
	x.seal()
	bytesPerRow(b, float64(heap()-before)/rows, most)
	runtime.KeepAlive(x)
}

// Lines of any length are found again at any offset, however few pages there are.
func TestPageCache(t *testing.T) {
	seed.Each(t, seed.First(1), func(t *testing.T, random *rand.Rand) {
		var files []*os.File
		lines := make([]map[int64]string, 5)
		for i := range lines {
			lines[i] = make(map[int64]string)
			var all strings.Builder
			for all.Len() < 300_000 {
				line := strings.Repeat(string(rune('a'+random.IntN(26))), random.IntN([]int{10, 1000, 20_000}[random.IntN(3)])) + "\n"
				lines[i][int64(all.Len())] = line
				all.WriteString(line)
			}
			path := filepath.Join(t.TempDir(), "file")
			put(t, path, all.String())
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			files = append(files, f)
		}
		p := newPageCache(len(files))
		p.size, p.maxPages = minPage, 7
		for range 3 {
			for i, of := range lines {
				for offset, want := range of { // in no order
					got, err := p.lineAt(files[i], offset)
					if err != nil || string(got) != want {
						t.Fatalf("file %d, byte %d: %d bytes, %v; want %d", i, offset, len(got), err, len(want))
					}
				}
			}
		}
		if len(p.cache) != 7 || len(p.positions) != 7 {
			t.Errorf("there are %d pages and %d places, want 7", len(p.cache), len(p.positions))
		}
		if _, err := p.lineAt(files[0], 1<<30); err == nil {
			t.Error("a line behind the end was read")
		}
	})
}
