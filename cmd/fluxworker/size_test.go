package main

import "testing"

func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64
		back string // empty where the text is no size
	}{
		{"0", 0, "0"}, {"1", 1, "1"}, {"1000", 1000, "1000"}, {"1024", 1024, "1K"}, {"1536K", 1536 << 10, "1536K"}, {"2048k", 2 << 20, "2M"},
		{"64M", 64 << 20, "64M"}, {"16G", 16 << 30, "16G"}, {"16GB", 16 << 30, "16G"}, {"16GiB", 16 << 30, "16G"}, {"2t", 2 << 40, "2T"},
		{"-1K", -1024, "-1K"}, {text: ""}, {text: "M"}, {text: "1B"}, {text: "1.5G"}, {text: "1 G"}, {text: "1P"}, {text: "9999999999T"},
	} {
		var v sizeValue
		err := v.Set(tt.text)
		if (err == nil) != (tt.back != "") || err == nil && (int64(v) != tt.want || v.String() != tt.back) {
			t.Errorf("%q: %d (%s), %v; want %d (%s)", tt.text, int64(v), &v, err, tt.want, tt.back)
		}
	}
}
