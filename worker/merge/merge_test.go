package merge

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// BenchmarkMerge merges lines of the usual length, each shard nearly in the order of the input.
func BenchmarkMerge(b *testing.B) {
	for _, shards := range []int{1, 16} {
		b.Run(fmt.Sprintf("shards=%d", shards), func(b *testing.B) { mergeShards(b, shards) })
	}
}

// mergeShards writes the lines of an output with so many shards, and merges them into each format.
func mergeShards(b *testing.B, shards int) {
	const rows = 50_000
	dir := b.TempDir()
	c := Config{Input: filepath.Join(dir, "in.jsonl"), Output: filepath.Join(dir, "out.jsonl"), To: filepath.Join(dir, "all.jsonl"), Replace: true}
	var input strings.Builder
	for i := range rows {
		fmt.Fprintf(&input, `{"custom_id":"request-%d","prompt":"%s"}`+"\n", i, strings.Repeat("word ", 40))
	}
	if err := os.WriteFile(c.Input, []byte(input.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	reader := prompt.NewReader(strings.NewReader(input.String()), prompt.Options{NamesOnly: true})
	lines := make([][]string, shards)
	for i := range rows {
		row, err := reader.Next()
		if err != nil {
			b.Fatal(err)
		}
		text := strings.Repeat(`one \"two\"\nthree `, 40+i*7%80)
		lines[i%shards] = append(lines[i%shards], fmt.Sprintf(`{"id":"%s","custom_id":"%s","response":{"status_code":200,"request_id":"r","body":{"object":"chat.completion","created":1764028800,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"%s"},"logprobs":null,"finish_reason":"stop"}]}},"error":null}`+"\n", row.Key, row.CustomID, text))
	}
	bytes := int64(0)
	for shard, list := range lines {
		paths, err := result.PathsOf(c.Output, result.Shard{Index: shard, Count: shards})
		if err != nil {
			b.Fatal(err)
		}
		f, err := os.Create(paths.Results)
		if err != nil {
			b.Fatal(err)
		}
		w := bufio.NewWriter(f)
		for i := range list {
			if j := i ^ 5; j < len(list) { // a few places away from the order of the input
				i = j
			}
			n, err := w.WriteString(list[i])
			if err != nil {
				b.Fatal(err)
			}
			bytes += int64(n)
		}
		if err := w.Flush(); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	for _, format := range []result.Format{result.Lines, result.LLMFlux, result.CSV} {
		b.Run(string(format), func(b *testing.B) {
			c.Format = format
			b.SetBytes(bytes)
			for b.Loop() {
				m, err := Run(b.Context(), c)
				if err != nil || !m.Written || m.Answered != rows {
					b.Fatalf("merged %+v, %v", m, err)
				}
			}
		})
	}
}
