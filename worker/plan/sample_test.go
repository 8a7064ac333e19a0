package plan

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/await"
	"fluxworker/worker/input"
	"fluxworker/worker/prompt"
	"fluxworker/worker/tokens"
)

// inputOf writes rows into a file and returns a planner for the file, with no tight limit on the time of its sample.
func inputOf(t *testing.T, rows []byte) Planner {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.jsonl")
	if err := os.WriteFile(path, rows, 0o600); err != nil {
		t.Fatal(err)
	}
	return Planner{Input: input.Input{Path: path, Defaults: prompt.Defaults{Model: "bigram", Sampling: prompt.Sampling{MaxTokens: 10, TopP: 1}}}, SampleTime: await.Patience}
}

// demandOf samples the rows of an input.
func demandOf(t *testing.T, p Planner, isNew func(prompt.Key) bool) *tokens.Demand {
	t.Helper()
	return p.Sample(t.Context(), isNew).Demand(tokens.NewEstimator())
}

// The sample covers all parts of the input, also long rows at its end. The number of rows is about right, although only some
// are sampled.
func TestSampleIsFromAllOverTheFile(t *testing.T) {
	t.Parallel()
	const rows = 20_000
	var b bytes.Buffer
	for i := range rows {
		length := 100
		if i > rows*9/10 {
			length = 3000
		}
		fmt.Fprintf(&b, `{"custom_id":"%d","prompt":%q,"max_tokens":10}`+"\n", i, strings.Repeat("x", length))
	}
	p := inputOf(t, b.Bytes())
	d := demandOf(t, p, Always)
	if n := d.Rows(); n < rows*8/10 || n > rows*12/10 {
		t.Errorf("%d rows seem to be %d", rows, n)
	}
	if n := d.Beyond(512); d.Max() < 1000 || n < rows/20 || n > rows/5 {
		t.Errorf("of %d rows %d seem long, the longest of %d tokens; want about a tenth", d.Rows(), n, d.Max())
	}
}

// The time may end in the middle of a long row. Then the sampler reads no more of the file.
func TestSampleEndsWithItsTime(t *testing.T) {
	t.Parallel()
	long := fmt.Sprintf(`{"prompt":%q}`+"\n", strings.Repeat("x", 1<<20))
	p := inputOf(t, []byte(strings.Repeat(long, samplePlaces/2)))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if n := p.Sample(over, Always).Rows(); n != 0 {
		t.Errorf("%d rows were read when there was no time", n)
	}
	if d := demandOf(t, p, Always); d.Rows() == 0 || d.Beyond(8192) != d.Rows() {
		t.Errorf("of %d rows %d seem long, want all", d.Rows(), d.Beyond(8192))
	}
}

// A busy machine takes more than the time for the rows of a small file, which says the same at each start then.
func TestSmallFileIsSampledWhateverTheTime(t *testing.T) {
	t.Parallel()
	p := inputOf(t, []byte(strings.Repeat(`{"prompt":"x"}`+"\n", sampleRows)))
	p.SampleTime = 1
	if n := demandOf(t, p, Always).Rows(); n != sampleRows {
		t.Errorf("%d rows seem to be %d", sampleRows, n)
	}
}

func TestSampleOfOtherInputs(t *testing.T) {
	t.Parallel()
	const rows = 37
	var b bytes.Buffer
	for i := range rows {
		fmt.Fprintf(&b, `{"custom_id":"%d","prompt":"row %d"}`+"\n", i, i)
	}
	for name, write := range map[string]func(p *Planner) error{
		"small": func(p *Planner) error { return os.WriteFile(p.Input.Path, b.Bytes(), 0o600) },
		"compressed": func(p *Planner) error {
			p.Input.Path += ".gz"
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			w.Write(b.Bytes())
			w.Close()
			return os.WriteFile(p.Input.Path, packed.Bytes(), 0o600)
		},
		"no extension": func(p *Planner) error {
			p.Input.Path = strings.TrimSuffix(p.Input.Path, ".jsonl")
			return os.WriteFile(p.Input.Path, b.Bytes(), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := inputOf(t, nil)
			if err := write(&p); err != nil {
				t.Fatal(err)
			}
			if d := demandOf(t, p, Always); d.Rows() != rows {
				t.Errorf("there seem to be %d rows, want %d", d.Rows(), rows)
			}
			if d := demandOf(t, p, func(prompt.Key) bool { return false }); d.Rows() != 0 {
				t.Errorf("%d rows that have their line are in the sample", d.Rows())
			}
		})
	}
	empty := inputOf(t, nil)
	for _, path := range []string{prompt.Stdin, "/nonexistent", t.TempDir(), empty.Input.Path} {
		empty.Input.Path = path
		if d := demandOf(t, empty, Always); d.Rows() != 0 {
			t.Errorf("%s: %d rows", path, d.Rows())
		}
	}
}
