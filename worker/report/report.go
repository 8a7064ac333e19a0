// Package report writes one HTML page about an output: what its runs did, and some of the rows with their answers.
//
// Invariants: the page needs no network, no server and no script; texts of rows and of servers do nothing in it, whatever they
// hold; its size depends on the number of rows shown, and the memory that a report takes on that of its records, not on the
// number of rows of the output. A report takes no lock and changes no file of the output, so it is safe while runs write.
package report

import (
	"context"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
	"fluxworker/worker/status"
)

// DefaultShow is the usual number of rows in the sample of a report.
const DefaultShow = 20

// Config says what a report shows, and where it goes.
type Config struct {
	Output string   // path of the results, as in the run
	To     string   // file of the report; "" is FileOf(Output)
	Inputs []string // files or folders with the rows; empty for those that the runs recorded
	Show   int      // rows in the sample
	Seed   uint64   // of the sample
	// NoText leaves out all texts of rows: prompts, answers, messages of failures and custom_ids; and the errors that ended runs.
	NoText bool
	// Mode is the mode of the file before the umask; 0 is 0600, or 0644 with NoText.
	Mode    fs.FileMode
	Version string // of this program
}

// FileOf returns the default file of the report on an output: results.jsonl gives results-report.html.
func FileOf(output string) string {
	return strings.TrimSuffix(output, filepath.Ext(output)) + "-report.html"
}

// Write writes the report and returns its path. Errors: ConfigError; InputError, which may wrap result.ErrNoOutput;
// result.WriteError; the error of the context.
func Write(ctx context.Context, c Config) (path string, _ error) {
	if c.To == "" {
		c.To = FileOf(c.Output)
	}
	progress, err := status.NewReader(c.Output).Read(ctx)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil:
		return "", err
	}
	parts, err := result.Parts(c.Output)
	if err != nil {
		return "", outcome.OfParts(err)
	}
	if err := checkTarget(c.To, parts); err != nil {
		return "", err
	}
	f := facts{config: c, status: progress, made: time.Now()}
	for _, p := range parts {
		f.runs = append(f.runs, f.readRun(p))
	}
	f.axis = newTimeAxis(f.runClock())
	f.events = f.listEvents()
	if f.rows, err = readRows(ctx, parts, c); err != nil {
		return "", orStopped(ctx, err)
	}
	if !c.NoText {
		if err := f.findPrompts(ctx); err != nil {
			return "", orStopped(ctx, err)
		}
	}
	return c.To, writePage(c, f.page())
}

// orStopped returns the error of the context if it has ended, and otherwise an InputError.
func orStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &outcome.InputError{Err: err}
}

// facts are all that a page shows.
type facts struct {
	config Config
	made   time.Time
	status status.Status
	runs   []run // of the parts of the output
	axis   timeAxis
	events []event
	rows   *rows
	notes  []string // what is missing, for the reader
	asked  string   // why prompts are missing; "" where they are there
}

// run holds the records of one part of an output.
type run struct {
	name     string // of the shard; "" for a whole output
	attempts []record.Attempt
	manifest *record.Manifest
	moments  [][]record.Moment // of each attempt, in the order of time
	spans    []span            // of the attempts
}

// readRun reads the records of a part. A record that cannot be read gives a note in the report.
func (f *facts) readRun(p result.Part) run {
	var r run
	if p.Shard.Count > 0 {
		r.name = p.Shard.String()
	}
	var err error
	if r.attempts, err = record.ReadAttempts(p.Paths); err != nil {
		f.notes = append(f.notes, err.Error())
	}
	r.attempts = slices.DeleteFunc(r.attempts, func(a record.Attempt) bool { return a.Summary.Started.IsZero() }) // damaged
	if r.manifest, err = record.ReadManifest(p.Paths); err != nil {
		f.notes = append(f.notes, err.Error())
	}
	moments, err := record.ReadSeries(p.Paths)
	if err != nil {
		f.notes = append(f.notes, err.Error())
	}
	r.moments = byAttempt(moments)
	r.spans = spansOf(r.attempts, r.moments)
	return r
}

// summaries returns the summaries of all attempts.
func (f *facts) summaries() []record.Summary {
	var all []record.Summary
	for _, r := range f.runs {
		for _, a := range r.attempts {
			all = append(all, a.Summary)
		}
	}
	return all
}

// total sums up all attempts of all parts.
func (f *facts) total() *record.Total {
	var all []record.Attempt
	for _, r := range f.runs {
		all = append(all, r.attempts...)
	}
	if len(all) == 0 {
		return nil
	}
	last := len(all) - 1
	return record.TotalOf(all[:last], all[last].Summary, f.rows.answered, f.rows.failed)
}

// newest returns the manifest of the run that started last, and how many others differ in the settings of their requests; nil
// without a manifest.
func (f *facts) newest() (m *record.Manifest, others int) {
	for _, r := range f.runs {
		if r.manifest != nil && (m == nil || r.manifest.Started.After(m.Started)) {
			m = r.manifest
		}
	}
	for _, r := range f.runs {
		if r.manifest != nil && len(m.Requests.Differences(r.manifest.Requests)) > 0 {
			others++
		}
	}
	return m, others
}
