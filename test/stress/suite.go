package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// suite is a package with the results of its runs.
type suite struct {
	name, dir string
	folder    string // folder for its programs and logs

	mu       sync.Mutex
	runs     int
	failed   int // number of failed runs
	time     time.Duration
	failures map[string]*failure // by test
}

// failure is a failed test: its first failure and the number of failures.
type failure struct {
	conditions conditions
	log        string
	times      int
}

// program returns the path of the suite's test program.
func (s *suite) program(race bool) string {
	name := strings.ReplaceAll(s.name, "/", "_")
	if race {
		name += "_race"
	}
	return filepath.Join(s.folder, name)
}

// add adds the result of a run.
func (s *suite) add(failed []string, c conditions, log string, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs++
	s.time += took
	if len(failed) == 0 {
		return
	}
	s.failed++
	for _, test := range failed {
		if s.failures[test] == nil {
			s.failures[test] = &failure{conditions: c, log: log}
			fmt.Printf("FAIL %s %s: %s: %s\n", s.name, test, c, log)
		}
		s.failures[test].times++
	}
}

// report prints the results of all runs and returns the exit code.
func report(suites []*suite) (code int) {
	fmt.Println("\n| suite | runs | failed | seconds a run |\n|---|---|---|---|")
	for _, s := range suites {
		fmt.Printf("| %s | %d | %d | %.0f |\n", s.name, s.runs, s.failed, s.time.Seconds()/float64(max(s.runs, 1)))
	}
	for _, s := range suites {
		for _, test := range slices.Sorted(maps.Keys(s.failures)) {
			f := s.failures[test]
			fmt.Printf("\n%s %s failed %d times; first in %s: %s\n", s.name, test, f.times, f.conditions, f.log)
			code = 1
		}
	}
	return code
}
