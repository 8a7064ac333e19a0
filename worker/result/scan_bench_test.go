package result

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/worker/prompt"
)

// BenchmarkOpen reads the done rows from one file with lines of usual length, on all cores.
func BenchmarkOpen(b *testing.B) {
	const rows = 200_000
	p, err := PathsOf(filepath.Join(b.TempDir(), "results.jsonl"), Shard{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(writeAnswers(b, p.Results, rows))
	before := heap()
	var l *Log
	for b.Loop() {
		if l, err = Open(b.Context(), options(p)); err != nil {
			b.Fatal(err)
		}
		if l.Done().Len() != rows {
			b.Fatalf("%d rows are done, want %d", l.Done().Len(), rows)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
		l.Release()
	}
	b.ReportMetric(float64(heap()-before)/rows, "B/row")
	if l.Done().Len() != rows { // and so it is still there
		b.Fatal("rows were lost")
	}
}

// writeAnswers fills a file with so many answers of about a thousand bytes, and returns its size.
func writeAnswers(b *testing.B, path string, rows int) (size int64) {
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	const sentence = `The answer has \"quotes\", and\nlines of several words each. `
	for i := range rows {
		var k prompt.Key
		binary.BigEndian.PutUint64(k[:], uint64(i+1)*0x9e3779b97f4a7c15)
		n, err := fmt.Fprintf(w, `{"id":"%s","custom_id":"request-%d","response":{"status_code":200,"request_id":"req_%d","body":{"choices":[{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}],"usage":{"prompt_tokens":51,"completion_tokens":213,"total_tokens":264}}},"error":null}`+"\n",
			k, i, i, strings.Repeat(sentence, 8+i%9))
		if err != nil {
			b.Fatal(err)
		}
		size += int64(n)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return size
}
