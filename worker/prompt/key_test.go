package prompt

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The keys in existing result files must not change. An intended change needs a new version in the domains, and a note
// to users that earlier runs start anew.
func TestGoldenKeys(t *testing.T) {
	o := jsonlOptions()
	o.MaxRowBytes = 300
	o.Defaults.System = "be brief"
	input := strings.Join([]string{
		`{"custom_id":"a-1","body":{"messages":[{"role":"user","content":"Grüße"}],"temperature":0,"stop":["x","y"],"seed":-1}}`,
		`{"prompt":"hi"}`,
		`{"prompt":"hi"}`,
		`{"custom_id":"a-1","prompt":"hi"}`,
		`{"custom_id":"a-2","body":{"messages":[]}}`,
		`not JSON`,
		strings.Repeat("x", 301),
	}, "\n")
	want := []string{
		"batch_req_92950ede6553977f89f321e73ef7c39d",
		"batch_req_e3c463f26eb58009dc41475054c27be0",
		"batch_req_23a1be988b4774d2dc41475054c27be0",
		"batch_req_e99da882eb1cff046d122fb14be18eab",
		"batch_req_95209f5b7300f69680dfcfad0ba95b0b",
		"batch_req_b2527298e0e0018ffc6b7b124358d5f8",
		"batch_req_9b317149ad3a7ae7a58ed2d9ee65c341",
	}
	var got []string
	for _, row := range readAll(t, input, o) {
		got = append(got, row.Key.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the keys changed; got\n%s", strings.Join(got, "\n"))
	}
}

// keysByPrompt reads rows whose prompts differ.
func keysByPrompt(t *testing.T, lines []string, o Options) map[string]Key {
	t.Helper()
	keys := map[string]Key{}
	for _, row := range readAll(t, strings.Join(lines, "\n"), o) {
		if row.Reject != nil {
			t.Fatal(row.Reject)
		}
		keys[row.Request.Messages[0].Content] = row.Key
	}
	return keys
}

// Order, line numbers, line ends and comments have no say in a key.
func TestKeysAreStable(t *testing.T) {
	lines := []string{
		`{"custom_id":"a","prompt":"1"}`, `{"prompt":"2"}`, `{"custom_id":"c","body":{"prompt":"3"}}`, `{"prompt":"4"}`,
	}
	want := keysByPrompt(t, lines, jsonlOptions())
	if len(want) != 4 {
		t.Fatal(want)
	}
	check := func(name string, lines []string) {
		t.Helper()
		got := keysByPrompt(t, lines, jsonlOptions())
		for prompt, key := range want {
			if got[prompt] != key {
				t.Errorf("%s: prompt %s: key %v, want %v", name, prompt, got[prompt], key)
			}
		}
	}
	reordered := slices.Clone(lines)
	slices.Reverse(reordered)
	check("reordered", reordered)
	check("with a mark", append([]string{"\ufeff" + lines[0]}, lines[1:]...))
	check("with blank lines", []string{"", lines[0], "# c", lines[1], "\r", lines[2], lines[3], ""})
	check("extended", append([]string{`{"prompt":"0"}`, `{"custom_id":"z","prompt":"00"}`}, lines...))
	check("CRLF", []string{strings.Join(lines, "\r\n") + "\r"})
}

// The same request under the same custom_id has the same key, however the row spells it.
func TestKeysSeeTheEffectiveRequest(t *testing.T) {
	key := func(line string, change func(*Defaults)) Key {
		t.Helper()
		o := jsonlOptions()
		if change != nil {
			change(&o.Defaults)
		}
		row := decodeOne(t, line, o)
		if row.Reject != nil {
			t.Fatal(row.Reject)
		}
		return row.Key
	}
	base := key(`{"custom_id":"a","prompt":"hi","temperature":0}`, nil)
	for _, line := range []string{
		`{"temperature":-0.0, "prompt":"h\u0069","custom_id":"a"}`,
		`{"custom_id":"a","body":{"model":"llama3.2:latest","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"temperature":0.0}}`,
		`{"custom_id":"a","prompt":"hi","temperature":0,"metadata":{"x":1},"max_tokens":512,"stop":"END","seed":7.0,"user":"u"}`,
	} {
		if got := key(line, nil); got != base {
			t.Errorf("%s: key %v, want %v", line, got, base)
		}
	}
	differs := func(what string, got Key) {
		t.Helper()
		if got.Name() != base.Name() {
			t.Errorf("%s changes the name", what)
		}
		if got == base {
			t.Errorf("%s makes no difference", what)
		}
	}
	for _, field := range []string{
		`"max_tokens":1`, `"top_p":0.5`, `"top_k":1`, `"seed":8`, `"stop":["E","ND"]`, `"stop":[]`, `"frequency_penalty":1`,
		`"presence_penalty":1`, `"system":"s"`, `"system":""`,
	} {
		differs(field, key(`{"custom_id":"a","prompt":"hi","temperature":0,`+field+`}`, nil))
	}
	differs("temperature", key(`{"custom_id":"a","prompt":"hi","temperature":1}`, nil))
	differs("prompt", key(`{"custom_id":"a","prompt":"hi ","temperature":0}`, nil))
	differs("endpoint", key(`{"custom_id":"a","body":{"prompt":"hi","temperature":0}}`, nil))
	differs("role", key(`{"custom_id":"a","messages":[{"role":"assistant","content":"hi"}],"temperature":0}`, nil))
	line := `{"custom_id":"a","prompt":"hi","temperature":0}`
	differs("model", key(line, func(d *Defaults) { d.Model = "mistral" }))
	differs("system", key(line, func(d *Defaults) { d.System = "s" }))
	differs("default top_p", key(line, func(d *Defaults) { d.Sampling.TopP = 0.1 }))
	differs("no seed", key(line, func(d *Defaults) { d.Sampling.Seed = nil }))
	if key(`{"custom_id":"b","prompt":"hi","temperature":0}`, nil).Name() == base.Name() {
		t.Error("another custom_id has the same name")
	}
	if key(line, func(d *Defaults) { d.Sampling.Temperature = 1 }) != base {
		t.Error("a default that the row overrides makes a difference")
	}
}

// A rejected row's key follows its content, so that a corrected row is noticed.
func TestKeysOfRejectedRows(t *testing.T) {
	key := func(line string) Key { return decodeOne(t, line, jsonlOptions()).Key }
	good, bad, worse := key(`{"custom_id":"a","prompt":"hi"}`), key(`{"custom_id":"a","prompt":5}`), key(`{"custom_id":"a","prompt":6}`)
	if good.Name() != bad.Name() || bad.Name() != worse.Name() {
		t.Error("a custom_id that can be read is the name")
	}
	if good == bad || bad == worse {
		t.Error("the request half does not follow the content")
	}
	if key(`nonsense`).Name() == key(`other nonsense`).Name() {
		t.Error("rows without a name that can be read share one")
	}
}

func TestDuplicates(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  []string // "custom_id" or "custom_id: message"
	}{
		{"twice", []string{`{"custom_id":"a-7","prompt":"x"}`, `{"custom_id":"b","prompt":"x"}`, `{"custom_id":"a-7","prompt":"y"}`},
			[]string{"a-7", "b", `a-7: custom_id "a-7" was already used on line 1; ids must be unique (use --dedupe first)`}},
		{"line for line", []string{`{"custom_id":"a","prompt":"x"}`, `{"custom_id":"a","prompt":"x"}`, `{"custom_id":"a","prompt":"x"}`},
			[]string{"a", `a: custom_id "a" was already used on line 1; ids must be unique (use --dedupe first)`, `a: custom_id "a" was already used on line 1; ids must be unique (use --dedupe first)`}},
		{"of a rejected row", []string{`{"custom_id":"a","prompt":5}`, `{"custom_id":"a","prompt":"x"}`},
			[]string{"a: prompt is a number; it must be a string", `a: custom_id "a" was already used on line 1; ids must be unique (use --dedupe first)`}},
		{"empty is none", []string{`{"custom_id":"","prompt":"x"}`, `{"custom_id":"","prompt":"x"}`, `{"custom_id":null,"prompt":"x"}`}, []string{"row-1", "row-2", "row-3"}},
		{"implied name taken before", []string{`{"custom_id":"row-2","prompt":"x"}`, `{"prompt":"x"}`},
			[]string{"row-2", "row-2: the row has no custom_id, and its default name row-2 is the custom_id of line 1; ids must be unique (use --dedupe first)"}},
		{"implied name taken after", []string{`{"prompt":"x"}`, `{"custom_id":"row-1","prompt":"x"}`, `{"custom_id":"row-1","prompt":"x"}`},
			[]string{"row-1", `row-1: custom_id "row-1" is the default name of the row on line 1, which has no custom_id; ids must be unique (use --dedupe first)`,
				`row-1: custom_id "row-1" was already used on line 2; ids must be unique (use --dedupe first)`}},
		{"own implied name", []string{`{"custom_id":"row-1","prompt":"x"}`, `{"custom_id":"row-3","prompt":"x"}`}, []string{"row-1", "row-3"}},
		{"like an implied name", []string{`{"prompt":"x"}`, `{"custom_id":"row-01","prompt":"x"}`, `{"custom_id":"row-+1","prompt":"x"}`, `{"custom_id":"row-99999999999999999999","prompt":"x"}`},
			[]string{"row-1", "row-01", "row-+1", "row-99999999999999999999"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			names := map[[8]byte]int64{}
			var got []string
			for _, row := range readAll(t, strings.Join(test.lines, "\n"), jsonlOptions()) {
				shown := row.CustomID
				if row.Reject != nil {
					shown += ": " + row.Reject.Message
				}
				got = append(got, shown)
				if first, taken := names[row.Key.Name()]; taken {
					t.Errorf("lines %d and %d have the same name", first, row.Line)
				}
				names[row.Key.Name()] = row.Line
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// Equal rows are told apart by how often they came, so their keys do not depend on where they stand.
func TestKeysOfEqualRows(t *testing.T) {
	var first, second []Key
	for _, row := range readAll(t, "x\ny\nx\nx", textOptions()) {
		first = append(first, row.Key)
	}
	for _, row := range readAll(t, "x\nx\nz\n\ny\nx", textOptions()) {
		second = append(second, row.Key)
	}
	for i, j := range []int{0, 3, 1, 4} {
		if first[i] != second[j] {
			t.Errorf("row %d: %v, reordered %v", i, first[i], second[j])
		}
	}
	if first[0].Name() == first[2].Name() || first[2].Name() == first[3].Name() {
		t.Error("equal rows have the same name")
	}
}

func TestParseKey(t *testing.T) {
	key := Key{1, 2, 3, 15: 0xff}
	if got, err := ParseKey(key.String()); err != nil || got != key {
		t.Errorf("got %v, %v", got, err)
	}
	for _, id := range []string{"", "batch_req_", key.String()[1:], key.String() + "0", "batch_req_" + strings.Repeat("g", 32)} {
		if _, err := ParseKey(id); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", id)) {
			t.Errorf("ParseKey(%q): %v", id, err)
		}
	}
}
