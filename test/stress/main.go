// Stress runs each test suite many times under conditions that reveal failures by chance: beside other suites, on one
// core, with other seeds, and with the race detector.
//
// \tusage: go run ./test/stress [-runs N] [-beside N] [PACKAGE…]
//
// It builds the test program of each package, with and without -race, and runs -beside of them at the same time, so
// that each runs under the load of the others. Every run has new seeds (TEST_SEED=any), every second run has one core
// (GOMAXPROCS=1), every fourth the race detector. At the end it prints a table, and for each failed test the number of
// failures, the conditions of the first one, and the file with its output. It exits 1 if a run failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"fluxworker/test/seed"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	code, err := stress(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "stress:", err)
		code = 2
	}
	os.Exit(code)
}

func stress(ctx context.Context) (code int, err error) {
	runs := flag.Int("runs", 20, "number of runs of each suite")
	beside := flag.Int("beside", 8, "number of test programs at the same time")
	flag.Parse()
	folder, err := os.MkdirTemp("", "fluxworker-stress-")
	if err != nil {
		return 0, err
	}
	suites, err := build(ctx, folder, flag.Args())
	if err != nil {
		return 0, err
	}
	fmt.Printf("%d suites, %d runs each, %d at the same time, on %d cores; the output is in %s\n", len(suites), *runs, *beside, runtime.NumCPU(), folder)

	var queue errgroup.Group
	queue.SetLimit(*beside)
	for number := range *runs {
		for _, s := range suites { // run different suites beside each other
			queue.Go(func() error {
				s.run(ctx, conditionsOf(number))
				return ctx.Err()
			})
		}
	}
	err = queue.Wait()
	return report(suites), err
}

// conditions are the difficult conditions of a run.
type conditions struct {
	number  int
	oneCore bool
	race    bool
}

func conditionsOf(number int) conditions {
	return conditions{number: number, oneCore: number%2 == 1, race: number%4 == 2}
}

func (c conditions) String() string {
	text := fmt.Sprintf("run %d, random seeds", c.number)
	if c.oneCore {
		text += ", GOMAXPROCS=1"
	}
	if c.race {
		text += ", -race"
	}
	return text
}

// build builds the test programs of the packages that have tests. Without names it builds all packages.
func build(ctx context.Context, folder string, names []string) ([]*suite, error) {
	if len(names) == 0 {
		names = []string{"./..."}
	}
	list := exec.CommandContext(ctx, "go", append([]string{"list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}"}, names...)...)
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages %q: %w", names, err)
	}
	var suites []*suite
	for line := range strings.Lines(string(out)) {
		name, dir, found := strings.Cut(strings.TrimSpace(line), " ")
		if !found {
			continue
		}
		s := &suite{name: name, dir: dir, folder: folder, failures: make(map[string]*failure)}
		for _, race := range []bool{false, true} {
			args := []string{"test", "-c", "-o", s.program(race)}
			if race {
				args = append(args, "-race")
			}
			if out, err := exec.CommandContext(ctx, "go", append(args, name)...).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("build the tests of %s: %w\n%s", name, err, out)
			}
		}
		suites = append(suites, s)
	}
	return suites, nil
}

// run runs the suite once.
func (s *suite) run(ctx context.Context, c conditions) {
	cmd := exec.CommandContext(ctx, s.program(c.race), "-test.v", "-test.timeout=60m", "-test.skip=^TestEveryFigure$")
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), seed.Variable+"=any", "GORACE=atexit_sleep_ms=10")
	if c.oneCore {
		cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) }
	log := filepath.Join(s.folder, fmt.Sprintf("%s.%d.log", filepath.Base(s.program(false)), c.number))
	file, err := os.Create(log)
	if err != nil {
		s.add([]string{err.Error()}, c, log, 0)
		return
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	began := time.Now()
	err = cmd.Run()
	var failed []string
	if err != nil {
		failed = failedTests(log)
		var exit *exec.ExitError
		if len(failed) == 0 || !errors.As(err, &exit) {
			failed = append(failed, fmt.Sprintf("(the test program: %v)", err))
		}
	}
	s.add(failed, c, log, time.Since(began))
}

// failedTests returns the failed tests in a log, without tests that have a failed subtest.
func failedTests(log string) []string {
	text, err := os.ReadFile(log)
	if err != nil {
		return []string{err.Error()}
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); found {
			name, _, _ = strings.Cut(name, " (")
			names = append(names, name)
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.ContainsFunc(names, func(other string) bool { return strings.HasPrefix(other, name+"/") })
	})
}
