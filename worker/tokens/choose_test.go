package tokens

import (
	"slices"
	"testing"
)

// needs returns the demand of a sample: rows by need, in tokens. Each row of the sample stands for so many rows.
func needs(of map[int]int, stands int64) *Demand {
	d := new(Demand)
	for need, rows := range of {
		d.add(need, int64(rows)*stands)
	}
	return d
}

// memory returns the slots of a memory that holds so many tokens in all, at most 64.
func memory(tokens int) func(int) int {
	return func(context int) int { return min(64, tokens/context) }
}

func TestChoose(t *testing.T) {
	tests := []struct {
		name   string
		needs  map[int]int
		stands int64
		limit  int
		tokens int
		want   int
	}{
		{"all rows are alike", map[int]int{700: 100}, 1000, 8192, 65536, 768},
		{"a few are long, and there are many", map[int]int{700: 98, 8000: 2}, 1000, 8192, 65536, 768},
		{"a few are long, and there are few: no restart", map[int]int{700: 98, 8000: 2}, 1, 8192, 65536, 8192},
		{"memory is no matter: no restart", map[int]int{700: 98, 8000: 2}, 1000, 8192, 64 * 8192, 8192},
		{"half of them are long, and there are many", map[int]int{512: 50, 8000: 50}, 10_000, 8192, 65536, 512},
		{"most are long", map[int]int{700: 2, 8000: 98}, 1000, 8192, 65536, 8192},
		{"some need more than the limit", map[int]int{700: 99, 100_000: 1}, 1000, 8192, 65536, 768},
		{"the memory does not hold the longest", map[int]int{700: 99, 8000: 1}, 10, 8192, 4096, 768},
		{"the memory holds no context", map[int]int{700: 99}, 1000, 8192, 100, 0},
		{"nothing is known", nil, 1000, 8192, 65536, 512},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Choose(needs(tt.needs, tt.stands), Contexts(0, tt.limit), memory(tt.tokens)); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}

func TestContexts(t *testing.T) {
	for _, tt := range []struct {
		minContext, limit int
		want              []int
	}{
		{0, 2048, []int{512, 768, 1024, 1280, 1536, 1792, 2048}},
		{1025, 2000, []int{1280, 1536, 1792, 2000}},
		{0, 300, []int{300}},
		{5000, 4096, []int{4096}},
	} {
		if got := Contexts(tt.minContext, tt.limit); !slices.Equal(got, tt.want) {
			t.Errorf("from %d to %d: %v, want %v", tt.minContext, tt.limit, got, tt.want)
		}
	}
}

func TestDemand(t *testing.T) {
	d := needs(map[int]int{100: 90, 300: 9, 5000: 1}, 1)
	if d.Rows() != 100 || d.Max() != 5000 || d.Beyond(256) != 10 || d.Beyond(512) != 1 || d.Beyond(5120) != 0 {
		t.Errorf("%d rows, at most %d tokens, beyond 256, 512 and 5120: %d, %d and %d", d.Rows(), d.Max(), d.Beyond(256), d.Beyond(512), d.Beyond(5120))
	}
	if d.At(0.5) != 256 || d.At(0.95) != 512 || d.At(1) != 5000 || new(Demand).At(0.5) != 0 {
		t.Errorf("at 50, 95 and 100 %%: %d, %d and %d", d.At(0.5), d.At(0.95), d.At(1))
	}
	if two := needs(map[int]int{100: 1, 300: 1}, 1); two.At(0.5) != 256 || two.At(0.99) != 300 {
		t.Errorf("of two rows, half need %d and all but a hundredth %d", two.At(0.5), two.At(0.99))
	}
}
