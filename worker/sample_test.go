package worker

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"fluxworker/worker/prompt"
	"fluxworker/worker/tokens"
)

// sampleOf looks at rows of an input.
func sampleOf(t *testing.T, c Config, isNew func(prompt.Key) bool) *tokens.Demand {
	t.Helper()
	s := sampler{Config: c, isNew: isNew, into: new(tokens.Sample)}
	s.file(t.Context())
	return s.into.Demand(tokens.NewEstimator())
}

// The sample is from all over the input: one whose long rows are all at its end is no surprise. How many rows there are
// comes out about right, although no more than some are looked at.
func TestSampleIsFromAllOverTheFile(t *testing.T) {
	t.Parallel()
	const rows = 20_000
	c, _ := config(t, 0)
	var b bytes.Buffer
	for i := range rows {
		length := 100
		if i > rows*9/10 {
			length = 3000
		}
		fmt.Fprintf(&b, `{"custom_id":"%d","prompt":%q,"max_tokens":10}`+"\n", i, strings.Repeat("x", length))
	}
	if err := os.WriteFile(c.Input, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	d := sampleOf(t, c, always)
	if n := d.Rows(); n < rows*8/10 || n > rows*12/10 {
		t.Errorf("%d rows seem to be %d", rows, n)
	}
	if n := d.Beyond(512); d.Most() < 1000 || n < rows/20 || n > rows/5 {
		t.Errorf("of %d rows %d seem long, the longest of %d tokens; want about a tenth", d.Rows(), n, d.Most())
	}
}

// Rows may be so long that the time is over in the middle of one. Then no more of the file is read, wherever that is.
func TestSampleEndsWithItsTime(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 0)
	long := fmt.Sprintf(`{"prompt":%q}`+"\n", strings.Repeat("x", 1<<20))
	if err := os.WriteFile(c.Input, []byte(strings.Repeat(long, samplePlaces/2)), 0o600); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	s := sampler{Config: c, isNew: always, into: new(tokens.Sample)}
	s.file(over)
	if n := s.into.Rows(); n != 0 {
		t.Errorf("%d rows were read when there was no time", n)
	}
	if d := sampleOf(t, c, always); d.Rows() == 0 || d.Beyond(8192) != d.Rows() {
		t.Errorf("of %d rows %d seem long, want all", d.Rows(), d.Beyond(8192))
	}
}

func TestSampleOfOtherInputs(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(c *Config, rows []byte) error{
		"small": func(c *Config, rows []byte) error { return os.WriteFile(c.Input, rows, 0o600) },
		"compressed": func(c *Config, rows []byte) error {
			c.Input += ".gz"
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			w.Write(rows)
			w.Close()
			return os.WriteFile(c.Input, b.Bytes(), 0o600)
		},
		"no name that tells": func(c *Config, rows []byte) error {
			c.Input = strings.TrimSuffix(c.Input, ".jsonl")
			return os.WriteFile(c.Input, rows, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := config(t, 0)
			if err := write(&c, jsonl(sized(30))); err != nil {
				t.Fatal(err)
			}
			if d := sampleOf(t, c, always); d.Rows() != 37 {
				t.Errorf("there seem to be %d rows, want 37", d.Rows())
			}
			if d := sampleOf(t, c, func(prompt.Key) bool { return false }); d.Rows() != 0 {
				t.Errorf("%d rows that have their line are in the sample", d.Rows())
			}
		})
	}
	c, _ := config(t, 0)
	for _, path := range []string{prompt.Stdin, "/nonexistent", t.TempDir(), c.Input} { // the last one is empty
		c.Input = path
		if d := sampleOf(t, c, always); d.Rows() != 0 {
			t.Errorf("%s: %d rows", path, d.Rows())
		}
	}
}
