package json

import (
	"bytes"
	standard "encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// A value may nest as deep as encoding/json allows, and the text that goes deeper, which any row may be, is refused.
func TestDepth(t *testing.T) {
	for depth, valid := range map[int]bool{1: true, 9_999: true, 10_000: true, 10_001: false, 1 << 17: false} {
		for _, brackets := range []string{"[]", "{}"} {
			open := brackets[:1]
			if open == "{" {
				open = `{"a":`
			}
			text := []byte(strings.Repeat(open, depth-1) + brackets + strings.Repeat(brackets[1:], depth-1))
			if got := Valid(text); got != valid {
				t.Errorf("%d deep %s: valid %t, want %t", depth, brackets, got, valid)
			}
			if depth == 9_999 { // decoding takes a second of it, and 10,000 says the same
				continue
			}
			var v any
			if err := Unmarshal(text, &v); (err == nil) != valid {
				t.Errorf("%d deep %s: %v", depth, brackets, err)
			}
		}
	}
	wide := []byte("[" + strings.Repeat("{},", 20_000) + "{}]")
	if !Valid(wide) {
		t.Error("a long list is not valid")
	}
}

var texts = []string{
	`{"custom_id":"a","prompt":"x","max_tokens":3}`, `{"a":[1,2.5e3,-0,null,true,false,"\u00e9\ud83d\ude00\n\"\\"]}`, ` {} `, `{}{}`, ``, ` `,
	`{"a":1,}`, `[1,]`, `{"a"}`, `{"a":}`, `{1:2}`, `nul`, `nulll`, `truefalse`, `01`, `-`, `1.`, `.5`, `+1`, `1e`, `1e+`, `0x1`, `NaN`,
	`"\x"`, `"\u12"`, `"\ud800"`, "\"a\tb\"", "\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\x1f\"", "\"\x00\"", "\"\x7f\"", "\"\xff\"",
	"{\"a\":\v1}", "{\"a\":\u00a01}", "\ufeff{}", `"`, `"\`, `"\"`, `[`, `]`, `[[[[[[`, `{"a":{"a":{"a":`, "\"a<b>&c\u2028\"",
}

// What counts as JSON is what encoding/json counts as that.
func FuzzValid(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, want := Valid(text), standard.Valid(text); got != want {
			t.Fatalf("%q counts as JSON: %t, want %t", text, got, want)
		}
	})
}

// sample has the kinds of fields that answers have.
type sample struct {
	Text   string         `json:"text"`
	List   []string       `json:"list,omitempty"`
	Number float64        `json:"number"`
	Count  int64          `json:"count"`
	Yes    bool           `json:"yes"`
	Any    any            `json:"any"`
	Map    map[string]any `json:"map"`
	Inner  *sample        `json:"inner"`
}

// Unmarshal gives the same result as encoding/json, and the result does not refer to the text.
func FuzzUnmarshal(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
		f.Add(fmt.Appendf(nil, `{"text":%q,"any":%s,"inner":{"map":{"x":%[2]s}}}`, text, text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got, want sample
		kept := bytes.Clone(text)
		err, wantErr := Unmarshal(text, &got), standard.Unmarshal(kept, &want)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, want %v", text, err, wantErr)
		}
		clear(text)
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %+v, want %+v", kept, got, want)
		}
	})
}

// encoding/json decodes the output of Append to the same value as its own output.
func FuzzAppend(f *testing.F) {
	for _, text := range append(texts, "cut off \xf0\x9f\x98", "\xed\xa0\x80", "two\nlines\r\x00\x1f\x7f") {
		f.Add(text, 1.5, int64(7))
	}
	f.Fuzz(func(t *testing.T, text string, number float64, count int64) {
		s := sample{Text: text, List: []string{text}, Number: number, Count: count, Map: map[string]any{text: text, "n": number}}
		reference, wantErr := standard.Marshal(s)
		data, err := Append([]byte("before"), s)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%+v: %v, want %v", s, err, wantErr)
		}
		if err != nil {
			return
		}
		data, ok := bytes.CutPrefix(data, []byte("before"))
		if !ok || !standard.Valid(data) || bytes.IndexByte(data, '\n') >= 0 {
			t.Fatalf("%+v became %q", s, data)
		}
		var got, want sample
		if err := standard.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if err := standard.Unmarshal(reference, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v became %q: %+v, want %+v", s, data, got, want)
		}
	})
}

// Compact takes away the white space that encoding/json's Compact takes away.
func FuzzCompact(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
		f.Add(fmt.Appendf(nil, "{ %q :\t[ 1 , %q ]\r\n}", text, text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !Valid(text) {
			return
		}
		var want bytes.Buffer
		if err := standard.Compact(&want, text); err != nil {
			t.Fatal(err)
		}
		kept := bytes.Clone(text)
		if got := Compact(text); !bytes.Equal(got, want.Bytes()) || !bytes.Equal(text, kept) {
			t.Fatalf("%q becomes %q, want %q", kept, got, want.Bytes())
		}
	})
}

// View gives the same values as Unmarshal where the names are exact.
func FuzzView(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
		f.Add(fmt.Appendf(nil, `{"text":%q,"any":%s,"inner":{"map":{"x":%[2]s}}}`, text, text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !Valid(text) || bytes.ContainsAny(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ\\") || !isASCII(text) {
			return // such a name may be another spelling of a field's
		}
		var got, want sample
		err, wantErr := View(text, &got), Unmarshal(text, &want)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, want %v", text, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %+v, want %+v", text, got, want)
		}
	})
}

func isASCII(text []byte) bool {
	return !bytes.ContainsFunc(text, func(r rune) bool { return r > 0x7f })
}
