// Package doctor checks whether a run would work on this machine, and names the remedy for what would not.
//
// Invariants: a check changes nothing but a scratch folder that it removes; no finding has a prompt or a secret in it, so that
// a user can send the report to a help desk; a check that fails ends no other check.
package doctor

import (
	"context"
	"fmt"

	"fluxworker/worker/fleet"
	"fluxworker/worker/slurm"
)

// Verdict is the result of a check.
type Verdict string

// The verdicts.
const (
	OK   Verdict = "OK"
	Warn Verdict = "WARN" // a run works, but slower, or with less protection, or only sometimes
	Fail Verdict = "FAIL" // a run would not work
)

// Finding is one line of the report.
type Finding struct {
	Check   string  `json:"check"` // what was looked at: "GPU", "Ollama", "scratch"
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
	Remedy  string  `json:"remedy,omitempty"` // what the user can do; "" with OK
}

// Config says what a run would use.
type Config struct {
	Server  fleet.Settings
	Model   string   // to look for in the model folders; "" looks for none
	Models  []string // the model folders, at least one
	Scratch string   // the folder for the scratch of servers; "" means that none can be written to
	// SkippedScratch describes the folders that were tried before Scratch.
	SkippedScratch []string
	Job            slurm.Job
	Groups         slurm.Groups
	Environ        []string // "NAME=value"
}

// Examine runs all checks, and returns the findings in the order in which a run would meet them.
func Examine(ctx context.Context, c Config) []Finding {
	r := &report{}
	r.job(ctx, c)
	r.resources(c)
	r.scratch(c)
	r.limits()
	r.environment(c)
	usable := r.gpus(ctx, c)
	c.Server.Models = r.models(c)
	r.server(ctx, c, usable)
	return r.findings
}

// Failed reports whether a run would not work.
func Failed(findings []Finding) bool {
	for _, f := range findings {
		if f.Verdict == Fail {
			return true
		}
	}
	return false
}

// report collects findings.
type report struct{ findings []Finding }

func (r *report) ok(check, format string, args ...any) {
	r.findings = append(r.findings, Finding{Check: check, Verdict: OK, Text: fmt.Sprintf(format, args...)})
}

func (r *report) warn(check, remedy, format string, args ...any) {
	r.findings = append(r.findings, Finding{check, Warn, fmt.Sprintf(format, args...), remedy})
}

func (r *report) fail(check, remedy, format string, args ...any) {
	r.findings = append(r.findings, Finding{check, Fail, fmt.Sprintf(format, args...), remedy})
}
