package result

import (
	"bytes"
	"context"
	standard "encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"fluxworker/test/seed"
	"fluxworker/worker/json"
	"fluxworker/worker/prompt"
)

// mangle does to a line what disks, kills and people do to lines.
func mangle(line []byte, random *rand.Rand) []byte {
	line = slices.Clone(line)
	const special = "{}[]\":,\\u0123456789eE+-.truefalsn \t\r\x00\x1f\x7f\x80\xff/bf"
	for range 1 + random.IntN(3) {
		if len(line) == 0 {
			break
		}
		at := random.IntN(len(line))
		switch random.IntN(6) {
		case 0: // a bit flips
			line[at] ^= 1 << random.IntN(8)
		case 1:
			line[at] = special[random.IntN(len(special))]
		case 2:
			line = slices.Delete(line, at, at+1)
		case 3:
			line = slices.Insert(line, at, special[random.IntN(len(special))])
		case 4: // it was cut off
			line = line[:at]
		case 5: // a hole
			clear(line[at:min(len(line), at+1+random.IntN(64))])
		}
	}
	return line
}

// Whatever happens to a line, it counts as damaged exactly where encoding/json says so.
func TestDamageIsSeen(t *testing.T) {
	const lines = 300_000
	seed.Each(t, seed.First(1), func(t *testing.T, random *rand.Rand) {
		whole := [][]byte{
			[]byte(lineOf(t, 1, 1)), []byte(mergeLine(3, true)),
			[]byte(`{"a":[1,-2.5e+10,0,true,false,null,"\u00e9\n\"",{}],"b":{"c":[]}}`), []byte(`{"k" : [ -0 , 1E5, 0.1e-2 ] }`), []byte(`"x"`),
		}
		invalid := 0
		for range lines {
			line := mangle(whole[random.IntN(len(whole))], random)
			want := standard.Valid(line)
			if got := json.Valid(line); got != want {
				t.Fatalf("%q counts as JSON: %t", line, got)
			}
			if !want {
				invalid++
			}
		}
		if invalid < lines/4 || invalid > lines*19/20 {
			t.Errorf("%d of %d lines were damaged; that shows little", invalid, lines)
		}
	})
}

// contents are files whose lines are of any length, some of them longer than a chunk.
func contents(random *rand.Rand) (content []byte, lines int) {
	for len(content) < 5*chunkBytes {
		length := []int{0, 1, 300, 20_000, chunkBytes - 1, chunkBytes, 2*chunkBytes + 1}[random.IntN(7)]
		content = append(content, bytes.Repeat([]byte{byte('a' + random.IntN(26))}, length)...)
		content = append(content, '\n')
		lines++
		for range random.IntN(3000) {
			content = append(content, "{}\n"...)
			lines++
		}
	}
	if random.IntN(2) == 0 {
		content = append(content, "no end"...)
		lines++
	}
	return content, lines
}

// Every line comes, once and in its place, also of several files that are read at the same time.
func TestScannerKeepsTheOrder(t *testing.T) {
	s := newScanner()
	var files sync.WaitGroup
	for seed := range uint64(12) {
		files.Go(func() {
			content, want := contents(rand.New(rand.NewPCG(seed, 8)))
			var got []byte
			lines := 0
			err := s.each(t.Context(), bytes.NewReader(content), "file", func(line parsed) error {
				lines++
				if end := bytes.IndexByte(line.text, '\n'); line.whole() && end != len(line.text)-1 || !line.whole() && end >= 0 {
					t.Errorf("%.30q is no line", line.text)
				}
				got = append(got, line.text...)
				return nil
			})
			if err != nil || lines != want || !bytes.Equal(got, content) {
				t.Errorf("file %d: %d lines, want %d; the same content: %t; %v", seed, lines, want, bytes.Equal(got, content), err)
			}
		})
	}
	files.Wait()
	if len(s.free) != cap(s.free) {
		t.Errorf("%d chunks are left of %d", len(s.free), cap(s.free))
	}
}

// A scan ends with the first error: of the callback, of the file, or of the context.
func TestScannerIsGivenUp(t *testing.T) {
	content, _ := contents(rand.New(rand.NewPCG(1, 8)))
	broken := errors.New("broken")
	s := newScanner()
	for _, tt := range []struct {
		name string
		file *failingReader
		do   func(n int, cancel func()) error
		want error
		most int // lines
	}{
		{"by a line", &failingReader{r: bytes.NewReader(content)}, func(n int, _ func()) error {
			if n == 700 {
				return broken
			}
			return nil
		}, broken, 700},
		{"by the context", &failingReader{r: bytes.NewReader(content)}, func(n int, cancel func()) error {
			if n == 700 {
				cancel()
			}
			return nil
		}, context.Canceled, len(content)},
		{"by the file", &failingReader{r: bytes.NewReader(content), after: 3 * chunkBytes, err: broken}, func(int, func()) error { return nil }, broken, len(content)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n := 0
			err := s.each(ctx, tt.file, "file", func(parsed) error { n++; return tt.do(n, cancel) })
			if !errors.Is(err, tt.want) || n > tt.most {
				t.Errorf("%v after %d lines, want %v", err, n, tt.want)
			}
			if len(s.free) != cap(s.free) {
				t.Errorf("%d chunks are left of %d", len(s.free), cap(s.free))
			}
		})
	}
}

// failingReader ends with an error after some bytes, where it has one, and else never comes to its end.
type failingReader struct {
	r     *bytes.Reader
	after int
	err   error
}

func (f *failingReader) Read(p []byte) (int, error) {
	if f.err != nil && f.after <= 0 {
		return 0, f.err
	}
	n, err := f.r.Read(p)
	if err != nil {
		_, err = f.r.Seek(0, 0)
	}
	f.after -= n
	return n, err
}

// Wherever in a large file lines are damaged, exactly these are set aside, and the rows of all others are done.
func TestOpenFindsDamageAnywhere(t *testing.T) {
	const rows = 2000
	seed.Each(t, seed.First(3), func(t *testing.T, random *rand.Rand) {
		var content, keep, aside bytes.Buffer
		done := make(map[int]bool)
		for i := range rows {
			line := []byte(mergeLine(i, false))
			if i%400 == 7 {
				line = bytes.Replace(line, []byte("xx"), bytes.Repeat([]byte("x"), chunkBytes), 1)
			}
			if random.IntN(20) == 0 {
				line = append(bytes.ReplaceAll(mangle(line[:len(line)-1], random), []byte("\n"), []byte(" ")), '\n')
			}
			content.Write(line)
			var l Line
			err := json.Unmarshal(line, &l)
			if key, keyErr := prompt.ParseKey(l.ID); err == nil && keyErr == nil {
				keep.Write(line)
				done[i] = key == mergeRow(i).Key // or it is another row's now
			} else {
				aside.Write(line)
			}
		}
		p := paths(t)
		put(t, p.Results, content.String())
		l, d := open(t, p)
		for i := range rows {
			if got := d.State(mergeRow(i).Key) == Answered; got != done[i] {
				t.Errorf("row %d is done: %t, want %t", i, got, done[i])
			}
		}
		closeLog(t, l)
		if get(t, p.Results) != keep.String() || get(t, p.In("damaged.jsonl")) != aside.String() {
			t.Error("the wrong lines were set aside")
		}
		if n := bytes.Count(aside.Bytes(), []byte("\n")); n < rows/50 {
			t.Errorf("%d of %d lines are damaged; that shows little", n, rows)
		}
	})
}
