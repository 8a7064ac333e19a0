package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"fluxworker/test/await"
	"fluxworker/test/fakeollama"
	"fluxworker/test/fakeopenai"
)

func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8") // a script mostly waits for its programs, not for a CPU
	testscript.Main(leakChecked{m}, map[string]func(){
		"fluxworker": main,
		"fakeollama": func() { os.Exit(fakeollama.Main()) },
		"fakeopenai": func() { os.Exit(fakeopenai.Main()) },
		"nvidia-smi": fakeSMI,
	})
}

// leakChecked fails when a test has left a goroutine behind.
type leakChecked struct{ m *testing.M }

// Run runs the tests.
func (l leakChecked) Run() int {
	if signal.Ignored(syscall.SIGHUP) { // under nohup, which the programs of the scripts would inherit
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	code := l.m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs the command line against a stand-in server: what a user types, and what comes back.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			// The scripts' HOME is the testing folder's: ~/.ollama/models is never a real one.
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("FLUXWORKER_OLLAMA", "fakeollama --record "+filepath.Join(env.WorkDir, "record.json")+" --record-bodies")
			env.Setenv("FLUXWORKER_DEVICE", "cpu")
			env.Setenv("FLUXWORKER_LOAD_TIMEOUT", "1m")
			scripts, err := filepath.Abs("../../scripts/sbatch")
			env.Setenv("JOBSCRIPTS", scripts)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"block":   pageBlock,
			"bytes":   writeBytes,
			"waitfor": waitFor,
			"lines":   countLines,
			"hours":   gpuHours,
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "one-cpu":
				return runtime.NumCPU() == 1, nil
			case "root":
				if os.Getuid() != 0 && os.Getenv("CI") == "true" {
					return false, errors.New("not root: no file of another user can be made")
				}
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("there is no condition %q", cond)
		},
	})
}

// exits CODE PROGRAM ARGS… runs a program and demands its exit code. Its output is then there for stdout and stderr.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(*exec.ExitError); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// bytes FILE STRING writes what the Go string literal (without its quotes) stands for.
func writeBytes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bytes FILE STRING")
	}
	s, err := strconv.Unquote(`"` + strings.ReplaceAll(args[1], `"`, `\"`) + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(s), 0o600))
}

// waitfor FILE waits for a file that a program in the background makes.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor FILE")
	}
	file := ts.MkAbs(args[0])
	for end := time.Now().Add(await.Patience); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s does not appear", args[0])
		}
	}
}

// lines N FILE demands the number of lines of a file.
func countLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines N FILE")
	}
	n := 0
	for _, c := range ts.ReadFile(args[1]) {
		if c == '\n' {
			n++
		}
	}
	if fmt.Sprint(n) != args[0] {
		ts.Fatalf("%s has %d lines, want %s", args[1], n, args[0])
	}
}

// hours SECONDS FILE demands that a summary counts for each GPU so much more time than that in which rows were asked.
func gpuHours(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hours SECONDS FILE")
	}
	more, err := strconv.ParseFloat(args[0], 64)
	ts.Check(err)
	var summary struct {
		Asked float64 `json:"ask_seconds"`
		GPUs  []struct {
			Hours float64 `json:"gpu_hours"`
		}
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &summary))
	if len(summary.GPUs) == 0 {
		ts.Fatalf("%s has no GPUs", args[1])
	}
	for _, g := range summary.GPUs {
		if g.Hours*3600 < summary.Asked+more {
			ts.Fatalf("%g s of a GPU, with %g s of asking rows", g.Hours*3600, summary.Asked)
		}
	}
}
