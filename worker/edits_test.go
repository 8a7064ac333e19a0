package worker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fluxworker/test/await"
	"fluxworker/test/seed"
	"fluxworker/worker/fleet"
	"fluxworker/worker/merge"
	"fluxworker/worker/outcome"
	"fluxworker/worker/result"
	"fluxworker/worker/resume"
	"fluxworker/worker/slurm"
)

// However an input is edited between runs, the output names each answer by the row as it stands in the input: an output that
// was resumed equals the output of a fresh run, in each format. Otherwise the run stops and changes nothing.
//
// Ten thousand sequences of edits: TEST_SEED=any go test ./worker -run TestEditedInputs -count 600
func TestEditedInputs(t *testing.T) {
	t.Parallel()
	server := runningServer(t)
	seed.Each(t, append(seed.First(12), 794593496, 2161189163, 2242662302, 2144178500, 4110831249), func(t *testing.T, random *rand.Rand) {
		t.Parallel()
		e := newEdited(t, random, server.URL())
		for range 1 + random.IntN(4) {
			e.edit()
			e.resume()
		}
		e.checkMerge()
	})
}

// edited is an input that is edited, and the output of its runs.
type edited struct {
	t      *testing.T
	random *rand.Rand
	form   string   // ".jsonl", ".txt", ".csv", or "folder"
	rows   []string // lines, cells or files
	shards int
	config Config
	runs   int // number of fresh runs
}

func newEdited(t *testing.T, random *rand.Rand, url string) *edited {
	forms := []string{".jsonl", ".txt", ".csv", "folder"}
	e := &edited{t: t, random: random, form: forms[random.IntN(len(forms))], shards: 1}
	if random.IntN(4) == 0 {
		e.shards = 3
	}
	c, _ := config(t, 0)
	c.Server = fleet.Settings{URL: url, LoadTimeout: await.Patience}
	c.Input = filepath.Join(t.TempDir(), "in"+strings.TrimSuffix(e.form, "folder"))
	e.config = c
	for range 1 + random.IntN(8) {
		e.rows = append(e.rows, e.row())
	}
	e.write()
	if _, err := e.run(c.Output, resume.ChangeStops, false); err != nil {
		t.Fatal(err)
	}
	return e
}

// row returns a random row. Contents and names repeat, so that rows are mistaken for each other if that is possible.
func (e *edited) row() string {
	text := "say " + string(rune('a'+e.random.IntN(5)))
	id := string(rune('a' + e.random.IntN(12)))
	switch {
	case e.form == "folder":
		return id + " " + text
	case e.form != ".jsonl":
		return text
	}
	switch e.random.IntN(10) {
	case 0:
		return fmt.Sprintf(`{"custom_id":"row-%d","prompt":%q}`, 1+e.random.IntN(6), text)
	case 1, 2:
		return fmt.Sprintf(`{"custom_id":%q,"prompt":%q}`, id, text)
	case 3:
		return fmt.Sprintf(`{"prompt":%q,"temperature":9}`, text) // out of range
	case 4:
		return fmt.Sprintf(`{"prompt":%q`, text) // no JSON
	case 5:
		return "" // an empty line is no row, but moves the rows behind it
	}
	return fmt.Sprintf(`{"prompt":%q}`, text)
}

// edit changes the input as a user does in an editor.
func (e *edited) edit() {
	at := func() int { return e.random.IntN(len(e.rows)) }
	for range 1 + e.random.IntN(3) {
		if len(e.rows) == 0 {
			e.rows = append(e.rows, e.row())
		}
		switch e.random.IntN(7) {
		case 0, 1:
			e.rows = slices.Insert(e.rows, at(), e.row())
		case 2:
			e.rows = append(e.rows, e.row())
		case 3:
			i := at()
			e.rows = slices.Delete(e.rows, i, i+1)
		case 4:
			i, k := at(), at()
			e.rows[i], e.rows[k] = e.rows[k], e.rows[i]
		case 5:
			slices.Sort(e.rows)
		case 6:
			e.rows[at()] = e.row()
		}
	}
	e.write()
}

// write writes the input. It always has a row.
func (e *edited) write() {
	e.rows = append(e.rows, "") // every kind of input drops it again, or ends with an empty line
	e.rows = e.rows[:len(e.rows)-1]
	if !slices.ContainsFunc(e.rows, func(r string) bool { return r != "" }) {
		e.rows = append(e.rows, strings.TrimSpace(e.row()+e.row()+e.row())+" x")
	}
	if e.form == "folder" {
		if err := os.RemoveAll(e.config.Input); err != nil {
			e.t.Fatal(err)
		}
		for _, r := range e.rows {
			name, text, _ := strings.Cut(r, " ")
			e.put(filepath.Join(e.config.Input, name+".txt"), text)
		}
		return
	}
	head := ""
	if e.form == ".csv" {
		head = "prompt\n"
	}
	e.put(e.config.Input, head+strings.Join(e.rows, "\n")+"\n")
}

func (e *edited) put(path, text string) {
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		e.t.Fatal(err)
	}
}

// run runs all shards into an output, and returns its lines.
func (e *edited) run(output string, onChange resume.OnChange, retry bool) ([]string, error) {
	c := e.config
	c.Output, c.Results.OnChange, c.Results.RetryFailed = output, onChange, retry
	var errs []error
	for i := range e.shards {
		if e.shards > 1 {
			c.Place.Shard = slurm.Choice{Index: i, Count: e.shards}
			c.Place.ShardBlock = 1 + e.random.IntN(4) // the output keeps its first value
		}
		_, err := runOnce(e.t, e.t.Context(), c, nil)
		if input, ok := errors.AsType[*outcome.InputError](err); ok && strings.Contains(input.Error(), "has no rows") {
			err = nil // a shard of few rows
		}
		errs = append(errs, err)
	}
	return e.lines(output), errors.Join(errs...)
}

// fresh returns the lines of a run into a new output, and its path.
func (e *edited) fresh() (lines []string, output string) {
	e.runs++
	output = filepath.Join(e.t.TempDir(), "out.jsonl")
	lines, err := e.run(output, resume.ChangeStops, false)
	if err != nil {
		e.t.Fatalf("fresh run: %v", err)
	}
	return lines, output
}

// resume runs the same command after an edit.
func (e *edited) resume() {
	e.t.Helper()
	want, _ := e.fresh()
	output := e.config.Output
	before := e.lines(output)
	choice := []resume.OnChange{resume.ChangeStops, resume.ChangeReruns, resume.ChangeKeeps}[e.random.IntN(3)]
	got, err := e.run(output, choice, e.random.IntN(3) == 0)
	switch {
	case choice == resume.ChangeKeeps:
		if err != nil {
			e.fail("keep", err, want, got)
		}
		e.checkNames(want, got)
	case err != nil:
		if choice == resume.ChangeReruns {
			e.fail("rerun", err, want, got)
		}
		var input *outcome.InputError
		if !errors.As(err, &input) || e.shards == 1 && !slices.Equal(before, got) {
			e.fail("stop", err, before, got)
		}
	case !slices.Equal(got, want):
		e.fail("resumed with "+string(choice), err, want, got)
	}
	if got, err = e.run(output, resume.ChangeReruns, false); err != nil || !slices.Equal(got, want) {
		e.fail("rerun at the end", err, want, got)
	}
}

// checkNames checks lines of which some belong to rows that changed or are gone: each line of a row has the name of the row, and
// no name stands on more lines than in a fresh output.
func (e *edited) checkNames(want, got []string) {
	names := func(lines []string) (of map[string]string, count map[string]int) {
		of, count = make(map[string]string), make(map[string]int)
		for _, l := range lines {
			var line struct {
				ID       string
				CustomID string `json:"custom_id"`
			}
			if err := json.Unmarshal([]byte(l[1:]), &line); err != nil {
				e.t.Fatal(err)
			}
			of[line.ID] = line.CustomID
			count[line.CustomID]++
		}
		return of, count
	}
	fresh, expected := names(want)
	kept, count := names(got)
	for id, name := range kept {
		if now, ok := fresh[id]; ok && now != name {
			e.fail("keep: the row of "+id+" has a wrong name", nil, want, got)
		}
		// A row that an edit has moved to another shard has a line in both shards.
		if e.shards == 1 && count[name] > max(1, expected[name]) {
			e.fail("keep: two lines are called "+name, nil, want, got)
		}
	}
}

// checkMerge compares merges of the resumed and of a fresh output.
func (e *edited) checkMerge() {
	_, fresh := e.fresh()
	format := []string{"all.jsonl", "all.csv", "all.json"}[e.random.IntN(3)]
	merged := func(output string) []string {
		to := filepath.Join(e.t.TempDir(), format)
		m, err := merge.Run(e.t.Context(), merge.Config{
			Input: e.config.Input, Output: output, MaxRowBytes: e.config.MaxRowBytes, To: to, Format: result.FormatOf(to),
		})
		if err != nil || !m.Written || m.Renamed > 0 {
			e.t.Fatalf("merge: %+v, %v", m, err)
		}
		if result.FormatOf(to) == result.Lines {
			return e.lines(to)
		}
		data, err := os.ReadFile(to)
		if err != nil {
			e.t.Fatal(err)
		}
		return strings.Split(withoutTimes(string(data)), "\n")
	}
	if got, want := merged(e.config.Output), merged(fresh); !slices.Equal(got, want) {
		e.fail("merge to "+format, nil, want, got)
	}
}

// lines returns the lines of an output and all its shards, in the order of the alphabet, without what differs between two runs. The
// first byte of each says whether it is an answer.
func (e *edited) lines(output string) (all []string) {
	base := strings.TrimSuffix(output, ".jsonl")
	for kind, pattern := range map[string]string{"a": base + "*.jsonl", "e": base + "-errors*.jsonl"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if kind == "a" && strings.HasPrefix(file, base+"-errors") {
				continue
			}
			data, err := os.ReadFile(file)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				e.t.Fatal(err)
			}
			for line := range bytes.Lines(data) {
				all = append(all, kind+withoutTimes(string(line)))
			}
		}
	}
	slices.Sort(all)
	return all
}

func (e *edited) fail(what string, err error, want, got []string) {
	e.t.Helper()
	e.t.Fatalf("%s, %d shards, %s: %v\ninput:\n%s\nwant:\n%s\ngot:\n%s", e.form, e.shards, what, err,
		strings.Join(e.rows, "\n"), strings.Join(want, "\n"), strings.Join(got, "\n"))
}

// times matches what differs between two runs that give the same answers.
var times = regexp.MustCompile(`"created":\d+,|,?"timings":\{[^}]*\}|"timestamp":[^,}]*`)

func withoutTimes(text string) string { return strings.TrimSpace(times.ReplaceAllString(text, "")) }
