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

// Main runs the program as its command line says and returns its exit code: 0 after TERM or INT, 1 after a fault that
// ends it, 2 for a command line or environment that it does not take.
func Main() int {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		return child(os.Args[2:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return run(ctx, os.Args, os.Environ(), os.Stdout, os.Stderr)
}

// run is Main without the process around it. The context's end is the signal to end.
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
