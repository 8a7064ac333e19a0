package schema

import (
	"encoding/json"
	"math/rand"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// rewrittenPatterns are patterns of users, and what a server gets.
var rewrittenPatterns = map[string]string{
	`^\d{4}-\d{2}-\d{2}$`:    `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`,
	`^Step \d+$`:             `^Step [0-9]+$`,
	`^[a-z]{2,5}$`:           `^[a-z]{2,5}$`,
	`^(?:ab|cd)?$`:           `^(ab|cd)?$`,
	`^[\w\-]+$`:              `^[\x2D0-9A-Z_a-z]+$`,
	`^\$\d+\.\d\d$`:          `^\$[0-9]+\.[0-9][0-9]$`,
	`^a\.*$`:                 `^a[.]*$`, // the grammars would repeat "a."
	`^é+$`:                   `^[é]+$`,
	`^(a*)*$`:                `^([a]+)*$`, // nothing that is repeated is empty
	`^"\\$`:                  `^\\"\\\\$`,
	`^\n\x01$`:               `^\\n\\u0001$`,
	`^(a|)$`:                 `^(a)?$`,
	`^\u00e9\ud83d\ude00$`:   `^é😀$`,
	`^[\s\S]$`:               `^([ !#-\[\]-` + "\ud7ff\ue000-\U0010ffff" + `]|\\[btnfr"\\]|\\u00[01][0-9a-f])$`,
	`^$`:                     `^$`,
	`^a{3,}$`:                `^[a]{3}[a]*$`,
	`^(?i)k$`:                `^[Kk` + "\u212a" + `]$`,
	`^(?P<year>[0-9]{4})x?$`: `^[0-9]{4}[x]?$`,
}

func TestPatternIsRewritten(t *testing.T) {
	for text, want := range rewrittenPatterns {
		re, err := parsePattern(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := forGrammar(re)
		if err != nil || got != want {
			t.Errorf("%s is rewritten to %s, want %s (%v)", text, got, want, err)
		}
		comparePatterns(t, text, rand.New(rand.NewSource(1)), "")
	}
}

func TestPatternBeyondTheGrammars(t *testing.T) {
	for text, want := range map[string]string{
		`^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$`: "look-ahead",
		`^(?=a)b$`:                       "look-ahead",
		`(?<=a)b`:                        "look-behind",
		`(?<!a)b`:                        "look-behind",
		`^[a-z]{1,2000}$`:                "more than 1000 repetitions",
		`^(a)\1$`:                        `the escape "\\1"`,
		`\bword\b`:                       `\b`,
		`^(a$)*b$`:                       "an anchor",
		`a$b`:                            "no string that matches",
		`[^\s\S]`:                        "no string that matches",
		`^\ud83d$`:                       "half of a surrogate pair",
		`^(`:                             "a fault: missing closing )",
		"^" + strings.Repeat(`(\p{L}|\p{N})`, 9) + "$": "too many",
	} {
		re, err := parsePattern(text)
		if err == nil {
			_, err = forGrammar(re)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// The rewritten pattern accepts exactly the JSON forms of the strings that the original accepts.
func FuzzPattern(f *testing.F) {
	for text := range rewrittenPatterns {
		f.Add(text, int64(1), "a")
	}
	for _, text := range []string{
		`abc`, `^a|b$`, `(^|,)a($|,)`, `^\S+@\S+\.\S+$`, `^.*$`, `^[^"]*$`, `^((a?b*)+c?)*$`, `^([^\\]|\\.)*$`, `^(a+)+$`, `^[]^-]$`,
		`\d`, `^[\W_]{0,3}$`, `^(?s:.)$`, `^((((a*b*)*c*)*d*)*e*)*$`, `^[\x00-\x1f]$`, `^[^a-z]{2}$`, `^\x{2028}$`, `^(|a|ab)(c|bcd)$`,
	} {
		f.Add(text, int64(2), `"x\`)
	}
	f.Fuzz(func(t *testing.T, text string, seed int64, sample string) {
		if len(text) > 200 || !utf8.ValidString(text) {
			return
		}
		comparePatterns(t, text, rand.New(rand.NewSource(seed)), sample)
	})
}

func comparePatterns(t *testing.T, text string, random *rand.Rand, sample string) {
	re, err := parsePattern(text)
	if err != nil || program(re) > 2000 {
		return
	}
	original, err := new(patterns).compile(text)
	if err != nil {
		t.Fatalf("%s: parsed, but not compiled: %v", text, err)
	}
	dialect, err := forGrammar(re)
	if err != nil {
		return
	}
	if len(dialect) > maxDialect+2 {
		t.Fatalf("%q has %d bytes", text, len(dialect))
	}
	tree, err := syntax.Parse(dialect, syntax.Perl)
	if err != nil {
		t.Fatalf("%q is rewritten to %q: %v", text, dialect, err)
	}
	rewritten := regexp.MustCompile(dialect)
	checkDialect(t, dialect)
	samples := []string{sample, ""}
	for range 20 {
		s := generate(re, random)
		samples = append(samples, s, mutate(s, random))
	}
	for _, s := range samples {
		if s = strings.ToValidUTF8(s, "?"); len(s) > 10_000 {
			continue
		}
		if want, got := original.MatchString(s), rewritten.MatchString(inner(s)); got != want {
			t.Fatalf("%q accepts %q: %t; %q accepts %q: %t", text, s, want, dialect, inner(s), got)
		}
	}
	for range 20 {
		form := generate(tree, random)
		if len(form) > 10_000 || !rewritten.MatchString(form) { // generate ignores anchors
			continue
		}
		var s string
		if err := json.Unmarshal([]byte(`"`+form+`"`), &s); err != nil {
			t.Fatalf("%q is rewritten to %q, which accepts %q: %v", text, dialect, form, err)
		}
		if !original.MatchString(s) {
			t.Fatalf("%q is rewritten to %q, which accepts %q", text, dialect, form)
		}
	}
}

// checkDialect fails the test if a pattern has what the grammars of the servers read otherwise than Go does.
func checkDialect(t *testing.T, dialect string) {
	t.Helper()
	wrong := regexp.MustCompile(`^(?:\^)(?:[^\\\[(){}*+?|.^$]|\\[][\\(){}*+?|.^$]|\[(?:[^\\\]\[^"-]|[^\\\]\[^"-]-(?:[^\\\]\["-]|\\[\[\]\\]|\\x[0-9A-F]{2})|"|\\[\[\]\\]-?|\\x[0-9A-F]{2}-?)+\](?:[*+?]|\{[0-9]+(?:,[0-9]+)?\})?|[(|]|\)(?:[*+?]|\{[0-9]+(?:,[0-9]+)?\})?)*\$$`)
	if !wrong.MatchString(dialect) {
		t.Fatalf("%q is not in the dialect of the grammars", dialect)
	}
}

// inner returns the JSON form of a string without quotation marks.
func inner(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	text := strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029", `\\`, `\\`).Replace(strings.TrimSuffix(b.String(), "\n"))
	return text[1 : len(text)-1]
}

// generate returns a string that an expression matches, apart from its anchors.
func generate(re *syntax.Regexp, random *rand.Rand) string {
	times := func(least, most int) string {
		if most < 0 || most > least+3 {
			most = least + 3
		}
		var b strings.Builder
		for range least + random.Intn(most-least+1) {
			b.WriteString(generate(re.Sub[0], random))
		}
		return b.String()
	}
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		if len(re.Rune) == 0 {
			return ""
		}
		i := random.Intn(len(re.Rune)/2) * 2
		low, high := re.Rune[i], re.Rune[i+1]
		switch random.Intn(3) {
		case 0:
			return string(low)
		case 1:
			return string(high)
		}
		return string(low + rune(random.Intn(int(high-low)+1)))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return string([]rune("a\"\\\t\r\u2028é9 \U0001f600\x7f")[random.Intn(11)])
	case syntax.OpCapture:
		return generate(re.Sub[0], random)
	case syntax.OpStar:
		return times(0, -1)
	case syntax.OpPlus:
		return times(1, -1)
	case syntax.OpQuest:
		return times(0, 1)
	case syntax.OpRepeat:
		return times(re.Min, re.Max)
	case syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			b.WriteString(generate(sub, random))
		}
		return b.String()
	case syntax.OpAlternate:
		return generate(re.Sub[random.Intn(len(re.Sub))], random)
	}
	return ""
}

// mutate changes a character, leaves one out, or adds one.
func mutate(s string, random *rand.Rand) string {
	r := []rune(s)
	other := []rune("a0-\"\\\n\x00 é,z" + string(rune(random.Intn(unicode.MaxRune))))
	char := other[random.Intn(len(other))]
	at := random.Intn(len(r) + 1)
	switch random.Intn(3) {
	case 0:
		if at < len(r) {
			return string(r[:at]) + string(r[at+1:])
		}
	case 1:
		if at < len(r) {
			return string(r[:at]) + string(char) + string(r[at+1:])
		}
	}
	return string(r[:at]) + string(char) + string(r[at:])
}
