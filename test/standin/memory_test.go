package standin

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"fluxworker/test/build"
	"fluxworker/test/harness"
)

// Answers of any size and number in flight take no more memory than --max-answer-memory says, beside the 64 MiB of any run, and
// three quarters of it for what Go's garbage collector has not freed yet: on one core the collector runs behind.
// Every row comes to its line, and no slot of a server that sends slowly is waited for without end.
func TestAnswersInFlightAreBounded(t *testing.T) {
	const limit, rest = 128 << 20, 64 << 20 // bytes
	const most = limit + limit*3/4 + rest
	large := []string{"--answer-bytes", "10000000"}
	for _, tt := range []struct {
		name    string
		standIn []string
		n, rows int
		code    int
		failure string
		most    int64
	}{
		{"large answers", large, 1, 16, 0, "", most},
		{"many answers", []string{"--answer-bytes", "1000000"}, 9, 16, 0, "", most},
		{"many small answers", []string{"--answer-bytes", "30000"}, 128, 4, 0, "", most},
		{"more answers than a row may have", []string{"--answer-bytes", "1000000"}, 128, 2, 3, "answer_too_large", most},
		{"answers without end", []string{"--fault", "endless-body"}, 1, 4, 3, "answer_too_large", most},
		{"heads without end", []string{"--fault", "endless-head"}, 1, 4, 82, "", rest},
		{"informational responses without end", []string{"--fault", "endless-1xx"}, 1, 4, 82, "", rest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := harness.New(t, "--max-answer-memory", fmt.Sprint(limit>>20), "--slots", "12", "--max-retries", "0", "--max-restarts", "0")
			j.UseStandIn(tt.standIn...)
			var rows []string
			for i := range tt.rows {
				rows = append(rows, fmt.Sprintf(`{"custom_id":"%d","body":{"n":%d,"messages":[{"role":"user","content":"%d w"}]}}`, i, tt.n, i))
			}
			j.Write(rows...)
			cmd := j.Start()
			peak := watchPeak(cmd.Process.Pid)
			j.Wait(cmd, tt.code)
			allowed := tt.most
			if build.RaceDetector {
				allowed *= 8 // the detector takes 5 to 10 times the memory, by its documentation
			}
			if got := peak(); got > allowed {
				t.Errorf("the worker took %d MiB, and at most %d MiB are allowed", got>>20, allowed>>20)
			} else {
				t.Logf("peak %d MiB", got>>20)
			}
			answers, failures := j.RawLines("results.jsonl"), j.RawLines("results-errors.jsonl")
			switch {
			case tt.code == 82 && len(answers)+len(failures) > 0, tt.code == 0 && len(answers) != tt.rows, tt.code == 3 && len(failures) != tt.rows:
				t.Fatalf("%d answers and %d failures of %d rows", len(answers), len(failures), tt.rows)
			}
			for id, line := range failures {
				if code := at(line, "response", "body", "error", "code"); code != tt.failure {
					t.Errorf("%s: %v", id, line)
				}
			}
		})
	}
}

var peakLine = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// watchPeak reads the peak of a process's resident set, in bytes, until the process has ended or the caller asks for it.
func watchPeak(pid int) (peak func() int64) {
	var most int64
	ended := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if m := peakLine.FindSubmatch(status); m != nil {
				kib, _ := strconv.ParseInt(string(m[1]), 10, 64)
				most = max(most, kib<<10)
			}
			select {
			case <-tick.C:
			case <-ended:
				return
			}
		}
	})
	return func() int64 {
		close(ended)
		watching.Wait()
		return most
	}
}
