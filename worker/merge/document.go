package merge

import (
	"fmt"
	"slices"

	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// setTarget sets the target of the merged rows in o: lines, a document, or neither with Check.
func (c Config) setTarget(o *result.MergeOptions) error {
	if c.Check {
		return nil
	}
	switch c.Format {
	case "", result.Lines:
		to, err := c.target(o.Parts)
		o.To = &to
		return err
	default:
		document, err := c.document(o.Parts)
		o.Document = &document
		return err
	}
}

// document returns the document for all rows. It is never a file that runs write lines to, never the input, and, without
// Replace, never a file that is not a document. Errors: ConfigError, InputError.
func (c Config) document(parts []result.Part) (result.Document, error) {
	d := result.Document{Path: c.To, Format: c.Format, Model: modelOf(parts)}
	if d.Path == "" {
		d.Path = result.FileOf(c.Output, c.Format)
	}
	whole, err := result.PathsOf(c.Output, result.Shard{})
	if err != nil {
		return d, &outcome.ConfigError{Err: err}
	}
	lines := append(slices.Clone(parts), result.Part{Paths: whole})
	switch {
	case slices.ContainsFunc(lines, func(p result.Part) bool { return same(p.Paths.Results, d.Path) || same(p.Paths.Errors, d.Path) }):
		return d, &outcome.ConfigError{Err: fmt.Errorf("%s is for the lines of the output, which a document does not replace; name another file with --to", d.Path)}
	case c.Input != prompt.Stdin && sameFile(c.Input, d.Path):
		return d, &outcome.ConfigError{Err: fmt.Errorf("input %s is where the document would go; name another file with --to", c.Input)}
	}
	if err := c.input().CheckOutside(d.Path, "the merged file"); err != nil {
		return d, err
	}
	if !c.Replace {
		if err := d.CheckReplaceable(); err != nil {
			return d, &outcome.ConfigError{Err: fmt.Errorf("%w; name another file with --to", err)}
		}
	}
	if d.Mode, err = modeOf(parts); err != nil {
		return d, &outcome.InputError{Err: err}
	}
	return d, nil
}

// modelOf returns the model of the first part whose manifest names one; "" without one. The document uses it for rows that
// were never asked.
func modelOf(parts []result.Part) string {
	for _, p := range parts {
		if p.Paths.Run == "" {
			continue
		}
		if m, err := record.ReadManifest(p.Paths); err == nil && m != nil && m.Requests.Model != "" {
			return m.Requests.Model
		}
	}
	return ""
}
