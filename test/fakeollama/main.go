package fakeollama

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main runs the program and returns its exit code: 0 after TERM or INT, 1 after a fault that ends it, 2 for an invalid
// command line or environment.
func Main() int {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		return child(os.Args[2:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return run(ctx, os.Args, os.Environ(), os.Stdout, os.Stderr)
}

// run is Main without the process. The end of the context acts as the signal.
func run(ctx context.Context, argv, env []string, stdout, stderr io.Writer) int {
	c, err := parse(argv[1:], env, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "fakeollama:", err)
		return 2
	}
	if c.child {
		if err := startChild(c, env, stdout, stderr); err != nil {
			fmt.Fprintln(stderr, "fakeollama:", err)
			return 1
		}
	}
	log := &logger{stdout: stdout, stderr: stderr}
	return serve(ctx, c, log, newRecorder(c, argv, env, log))
}
