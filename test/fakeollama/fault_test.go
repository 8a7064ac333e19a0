package fakeollama

import (
	"fmt"
	"slices"
	"testing"
)

func TestParseFault(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want fault
		ok   bool
	}{
		{"reset", fault{reset, 1, 0}, true},
		{"500:0.25", fault{serverError, 0.25, 0}, true},
		{"exit@7", fault{exits, 1, 7}, true},
		{"hang-all@2", fault{hangAll, 1, 2}, true},
		{"refused@3", fault{refused, 1, 3}, true},
		{"denied", fault{}, false},
		{"half:2", fault{}, false},
		{"half:NaN", fault{}, false},
		{"half@0", fault{}, false},
		{"half@1:0.5", fault{}, false},
		{"", fault{}, false},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := parseFault(tt.in)
			if (err == nil) != tt.ok || tt.ok && got != tt.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestScript(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flags []string
		match string
		in    []string
		want  []kind
	}{
		{"none", nil, "", []string{"a", "b"}, []kind{none, none}},
		{"by number", []string{"reset@2"}, "", []string{"a", "b", "c"}, []kind{none, reset, none}},
		{"always", []string{"500"}, "", []string{"a", "b"}, []kind{serverError, serverError}},
		{"first flag wins", []string{"half@1", "500"}, "", []string{"a", "b"}, []kind{half, serverError}},
		{"numbers count matches", []string{"half@2"}, "x", []string{"x", "a", "x", "x"}, []kind{none, none, half, none}},
		{"stuck for everybody", []string{"hang-all@1"}, "x", []string{"a", "x", "a"}, []kind{none, hangAll, hangAll}},
		{"slow for everybody", []string{"slow-all@2"}, "", []string{"a", "x", "a"}, []kind{none, slowAll, slowAll}},
		{"never", []string{"half:0"}, "", []string{"a"}, []kind{none}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(config{faults: faults(t, tt.flags...), faultMatch: tt.match})
			var got []kind
			for _, m := range tt.in {
				got = append(got, s.next(m))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func faults(t *testing.T, flags ...string) (l faultList) {
	t.Helper()
	for _, f := range flags {
		if err := l.Set(f); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// A rate strikes the same messages in whatever order they come, about as many as it says, and not for ever.
func TestScriptRate(t *testing.T) {
	const n = 2000
	struck := func(seed uint64, backwards bool) (set []int, again int) {
		s := newScript(config{faults: faults(t, "half:0.1", "500:0.2"), seed: seed})
		for i := range n {
			if backwards {
				i = n - 1 - i
			}
			message := fmt.Sprint("row ", i)
			if s.next(message) == none {
				continue
			}
			set = append(set, i)
			if s.next(message) != none {
				again++
			}
		}
		slices.Sort(set)
		return set, again
	}
	first, again := struck(1, false)
	if len(first) < n/5 || len(first) > n*2/5 {
		t.Errorf("%d of %d struck; the rates are 0.1 and 0.2", len(first), n)
	}
	if again == 0 || again > len(first)/2 {
		t.Errorf("%d of %d struck again", again, len(first))
	}
	if other, _ := struck(1, true); !slices.Equal(first, other) {
		t.Error("the order of arrival changed what is struck")
	}
	if other, _ := struck(2, false); slices.Equal(first, other) {
		t.Error("the seed changes nothing")
	}
}
