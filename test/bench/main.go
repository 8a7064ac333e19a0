// Command bench measures fluxworker and prints one table: each figure is a ratio of two things that were measured in turns
// in the same run, or an amount that does not depend on the machine's mood. It needs no GPU.
//
//	usage: go run ./test/bench [-only a,b] [-full] [-fluxworker FILE] [-scratch FOLDER] [-out FILE]
//
// Servers are stand-ins (test/fakeollama) but for figures c and i to l, which ask the real engines. Everything runs as a process of
// its own: fluxworker, each stand-in, and the closed loop that fluxworker is held against.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"fluxworker/test/fakeollama"
)

// Commands by which this program starts itself as another one.
const (
	standInCommand = "stand-in"
	openAICommand  = "openai-stand-in"
	loopCommand    = "closed-loop"
	countCommand   = "count-allocations"
)

func main() {
	if other, err := asOther(); other {
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, os.Args[1:]))
}

// asOther runs this program in the role of a program that it starts.
func asOther() (other bool, _ error) {
	if len(os.Args) < 2 {
		return false, nil
	}
	switch rest := os.Args[2:]; os.Args[1] {
	case standInCommand:
		os.Args = os.Args[1:]
		os.Exit(fakeollama.Main())
	case openAICommand:
		return true, runOpenAI(rest)
	case loopCommand:
		return true, runLoop(rest)
	case countCommand:
		return true, runCount(rest)
	}
	return false, nil
}

func exit(err error) {
	switch {
	case err == nil:
		os.Exit(0)
	case !errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	os.Exit(1)
}

// run measures what the command line asks for. A figure that cannot be measured costs only its own lines.
func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	b, err := prepare(o)
	if err != nil {
		return err
	}
	defer b.close()
	var table table
	var failed []error
	for _, f := range figures() {
		if !o.wants(f.id) {
			continue
		}
		b.say("%s: %s", f.id, f.what)
		lines, err := f.measure(ctx, b)
		if err != nil {
			failed = append(failed, fmt.Errorf("figure %s: %w", f.id, err))
			fmt.Fprintf(os.Stderr, "bench: figure %s: %v\n", f.id, err)
		}
		table = append(table, lines...)
		for _, l := range lines {
			b.say("%s", l)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(append(failed, o.report(describe(b.scratch), table))...)
}
