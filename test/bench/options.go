package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// size says how much is measured.
type size int

// The sizes.
const (
	smoke size = iota // that it works at all: seconds
	short             // minutes
	full              // every size that is promised: hours, and 60 GB of scratch
)

// of picks a number by the size.
func (s size) of(smoke, short, full int) int { return []int{smoke, short, full}[s] }

// options is the command line.
type options struct {
	only       []string
	size       size
	fluxworker string
	scratch    string
	out        string
	args       []string
}

func parse(args []string) (options, error) {
	o := options{size: short, args: args}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "measure these `figures` alone, as in a,b")
	isFull := flags.Bool("full", false, "measure every size that is promised: hours, and 60 GB of scratch")
	isSmoke := flags.Bool("smoke", false, "measure next to nothing, to see that it works")
	flags.StringVar(&o.fluxworker, "fluxworker", "", "measure this `program` (default: one is built from this checkout)")
	flags.StringVar(&o.scratch, "scratch", "", "`folder` for inputs and results (default: the system's); what is made there is removed")
	flags.StringVar(&o.out, "out", "", "write the table to this `file`, too")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("arguments are %q; want flags alone", flags.Args())
	}
	o.only = strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	for _, id := range o.only {
		if !slices.ContainsFunc(figures(), func(f figure) bool { return f.id == id }) {
			return o, fmt.Errorf("-only names %q; the figures are %s", id, figureIDs())
		}
	}
	switch {
	case *isFull && *isSmoke:
		return o, fmt.Errorf("-full and -smoke exclude each other")
	case *isFull:
		o.size = full
	case *isSmoke:
		o.size = smoke
	}
	return o, nil
}

// figureIDs lists the ids of all figures.
func figureIDs() string {
	var ids []string
	for _, f := range figures() {
		ids = append(ids, f.id)
	}
	return strings.Join(ids, ", ")
}

func (o options) wants(id string) bool { return len(o.only) == 0 || slices.Contains(o.only, id) }

// report prints the table, and writes it to the file that was asked for.
func (o options) report(m machine, t table) error {
	write := func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s\nMeasured by `go run ./test/bench %s`; one figure alone by `go run ./test/bench -only a`.\n\n%s", m, strings.Join(o.args, " "), t)
		return err
	}
	if err := write(os.Stdout); err != nil || o.out == "" {
		return err
	}
	f, err := os.Create(o.out)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := write(f); err != nil {
		return err
	}
	return f.Close()
}
