package e2e

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

var (
	tortureKills = flag.Int("torture.kills", 15, "how often the worker is killed")
	tortureRows  = flag.Int("torture.rows", 2500, "rows that are answered meanwhile")
	tortureSeed  = flag.Uint64("torture.seed", 1, "seed of the instants")
)

// The promise: kill it anywhere, any number of times, and the files end as if nothing had happened. The instants are
// spread over the whole life of a run, the scan of the results and the server's start included. Who is killed is the worker,
// so one engine is enough. "make torture" is the
// long form.
func TestTorture(t *testing.T) {
	oneEngine(t, func(t *testing.T, g generation) {
		random := rand.New(rand.NewPCG(*tortureSeed, 0))
		j := newJob(t, g, "--log-level", "error")
		j.writeRows(*tortureRows)
		killed, inTheMiddle := 0, 0
		for killed < *tortureKills {
			before := j.answered()
			cmd := j.start()
			ended := make(chan struct{})
			go func() { cmd.Wait(); close(ended) }()
			// Half of the kills fall into the start, half into the answering.
			instant := time.Duration(random.Int64N(int64(time.Second)))
			if random.IntN(2) == 0 {
				instant += time.Duration(random.Int64N(int64(2 * time.Second)))
			}
			select {
			case <-time.After(instant): // a random instant is no event
				cmd.Process.Kill()
				<-ended
				killed++
			case <-ended:
				// All rows are answered: begin anew, so that every kill finds work.
				if code := cmd.ProcessState.ExitCode(); code != 0 {
					t.Fatalf("exit code %d, want 0", code)
				}
				j.checkRows(*tortureRows)
				for _, name := range []string{"results.jsonl", "results-errors.jsonl", "results.run"} {
					os.RemoveAll(j.path(name))
				}
			}
			if j.answered() > before {
				inTheMiddle++
			}
		}
		j.run(0)
		j.checkRows(*tortureRows)
		if n := len(j.lines("results-errors.jsonl")); n > 0 {
			t.Errorf("%d rows failed", n)
		}
		t.Logf("%d kills, %d of them after new answers", killed, inTheMiddle)
		if inTheMiddle == 0 { // how many depends on how busy the machine is
			t.Errorf("none of %d kills fell into the answering", killed)
		}
	})
}
