package fakeollama

import (
	"math"
	"testing"
)

func TestGenerate(t *testing.T) {
	const all = math.MaxInt
	for _, tt := range []struct {
		name  string
		last  byte
		limit int
		stops []string
		want  generation
	}{
		{"a digit", '3', all, nil, generation{"456789abcdefghijklmnopqrstuvwxyz", 33, "stop"}},
		{"nine", '9', all, nil, generation{"abcdefghijklmnopqrstuvwxyz", 27, "stop"}},
		{"a letter", 'w', all, nil, generation{"xyz", 4, "stop"}},
		{"the last letter", 'z', all, nil, generation{"", 1, "stop"}},
		{"anything else", '?', 3, nil, generation{"012", 3, "length"}},
		{"a capital", 'A', 1, nil, generation{"0", 1, "length"}},
		{"no room for the end", 'w', 3, nil, generation{"xyz", 3, "length"}},
		{"room for the end", 'w', 4, nil, generation{"xyz", 4, "stop"}},
		{"a stop string", 's', all, []string{"wx"}, generation{"tuv", 5, "stop"}},
		{"the stop string that comes first", 's', all, []string{"x", "uv"}, generation{"t", 3, "stop"}},
		{"a stop string behind the limit", 's', 4, []string{"xy"}, generation{"tuvw", 4, "length"}},
		{"a stop string at the limit", 's', 5, []string{"wx"}, generation{"tuv", 5, "stop"}},
		{"an empty stop string", 'x', all, []string{""}, generation{"yz", 3, "stop"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := generate(tt.last, tt.limit, tt.stops); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
