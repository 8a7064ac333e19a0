package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var (
	tortureKills = flag.Int("torture.kills", 24, "how often the worker is killed")
	tortureRows  = flag.Int("torture.rows", 2000, "rows that are answered meanwhile")
	tortureSeed  = flag.Uint64("torture.seed", 1, "seed of the instants")
)

// The promise: kill it anywhere, any number of times, and the files end as if nothing had happened. Who is killed is the
// worker, so one engine is enough; every other start is not isolated. "make torture" is the long form.
func TestTorture(t *testing.T) {
	oneEngine(t, func(t *testing.T, g generation) {
		undisturbed := newJob(t, g, "--log-level", "error")
		undisturbed.writeRows(*tortureRows)
		undisturbed.run(0)
		undisturbed.checkRows(*tortureRows)

		j := &torture{job: newJob(t, g, "--log-level", "error"), random: rand.New(rand.NewPCG(*tortureSeed, 0)), hits: make(map[string]int)}
		j.writeRows(*tortureRows)
		kills := 0
		// Whether a kill falls into a short window depends on how busy the machine is: some more are tried.
		// A machine that answers fast must not come to the end meanwhile: the last quarter is left to the last run.
		for ; (kills < *tortureKills || j.missed() != nil && kills < 3**tortureKills) && j.answered() < *tortureRows*3/4; kills++ {
			w := &windows[j.random.IntN(len(windows))]
			if kills >= *tortureKills {
				w = j.missed()
			}
			j.killOnce(w, []string{"never", "auto"}[kills%2])
		}
		j.run(0)
		j.checkRows(*tortureRows)
		if n := len(j.lines("results-errors.jsonl")); n > 0 {
			t.Errorf("%d rows failed", n)
		}
		if !maps.Equal(j.answers(), undisturbed.answers()) {
			t.Error("the answers are not those of an undisturbed run")
		}
		// One that is killed in its recovery leaves none.
		attempts, _ := filepath.Glob(j.path("results.run/attempts/*.json"))
		if least := j.hits["the answering"] + j.hits["the time before an fsync"] + 1; len(attempts) < least || len(attempts) > kills+1 {
			t.Errorf("%d attempts are on record, want %d to %d", len(attempts), least, kills+1)
		}
		left, _ := filepath.Glob(j.path(".*"))
		more, _ := filepath.Glob(j.path("results.run/.*"))
		if left = append(left, more...); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		t.Logf("%d kills: %v", kills, j.hits)
		if w := j.missed(); w != nil {
			t.Errorf("no kill fell into %s", w.name)
		}
	})
}

// answers are the parts of the lines that must not depend on what happened meanwhile.
func (j *job) answers() map[string]string {
	j.t.Helper()
	data, err := os.ReadFile(j.path("results.jsonl"))
	if err != nil {
		j.t.Fatal(err)
	}
	all := make(map[string]string)
	for line := range bytes.Lines(data) {
		var l struct {
			ID       string
			CustomID string `json:"custom_id"`
			Response struct {
				Status int    `json:"status_code"`
				ID     string `json:"request_id"`
				Body   struct{ Choices, Usage json.RawMessage }
			}
			Error json.RawMessage
		}
		if err := json.Unmarshal(line, &l); err != nil {
			j.t.Fatalf("line %q: %v", line, err)
		}
		all[l.CustomID] = fmt.Sprintf("%+v", []any{l.ID, l.Response.Status, l.Response.ID, string(l.Response.Body.Choices), string(l.Response.Body.Usage), string(l.Error)})
	}
	return all
}

// torture is a job whose worker is killed again and again.
type torture struct {
	*job
	random *rand.Rand
	hits   map[string]int  // kills that fell into each window
	locked map[string]bool // locks that were there before the start
	// results are the results before the start; nil where there were none.
	results os.FileInfo
}

// window is a part of the worker's life in which it is killed.
type window struct {
	name string
	// damage is done to the output before the start; nil does none.
	damage func(*torture)
	// open tells from the files that the window is open. Then the kill comes at once, or soon after.
	open func(j *torture, before int) bool
	soon time.Duration
	// over tells that the window went by unseen, as it may on a busy machine. Then the kill comes at once and hits nothing; nil
	// is for windows that stay open.
	over func(*torture) bool
	// hit tells after the kill whether it fell into the window; nil believes it.
	hit func(*torture) bool
}

var windows = []window{
	{name: "the start", soon: time.Second, open: func(*torture, int) bool { return true }},
	{name: "the recovery", soon: 3 * time.Millisecond, damage: (*torture).tear, open: func(j *torture, _ int) bool {
		locks, _ := filepath.Glob(j.path("results.run/lock.*"))
		return len(locks) > 0 && !j.locked[locks[len(locks)-1]]
	}},
	{name: "the rewrite", damage: (*torture).zero, open: (*torture).rewriting, over: (*torture).replaced, hit: func(j *torture) bool { return j.rewriting(0) }},
	// Lines are synced a second after they were written.
	{name: "the time before an fsync", open: func(j *torture, before int) bool { return j.answered() > before+j.random.IntN(60) }},
	{name: "the answering", soon: 400 * time.Millisecond, open: func(j *torture, before int) bool { return j.answered() > before }},
}

// rewriting tells whether the new results are being written that will take the place of the old.
func (j *torture) rewriting(int) bool {
	_, err := os.Stat(j.path(".results.jsonl.new"))
	return err == nil
}

// replaced tells whether the results are another file than they were before the start.
func (j *torture) replaced() bool {
	now, err := os.Stat(j.path("results.jsonl"))
	return err == nil && !os.SameFile(j.results, now)
}

// missed is a window that no kill fell into yet.
func (j *torture) missed() *window {
	for i := range windows {
		if j.hits[windows[i].name] == 0 {
			return &windows[i]
		}
	}
	return nil
}

// killOnce starts the worker and kills it in a window.
func (j *torture) killOnce(w *window, isolate string) {
	if j.answered() == 0 && w.damage != nil {
		w = &windows[len(windows)-1] // there is nothing to mend yet
	}
	if w.damage != nil {
		w.damage(j)
	}
	before := j.answered()
	j.results, _ = os.Stat(j.path("results.jsonl")) // not there yet: nil
	locks, _ := filepath.Glob(j.path("results.run/lock.*"))
	j.locked = make(map[string]bool)
	for _, l := range locks {
		j.locked[l] = true
	}
	cmd := j.start("--isolate", isolate)
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	wait := time.NewTicker(100 * time.Microsecond) // the windows are short
	defer wait.Stop()
	for end := time.Now().Add(deadline); !w.open(j, before) && (w.over == nil || !w.over(j)); {
		select {
		case <-wait.C:
		case <-ended:
			j.t.Fatalf("the worker ended by itself, with code %d, before %s", cmd.ProcessState.ExitCode(), w.name)
		}
		if time.Now().After(end) {
			j.t.Fatalf("waited %s for %s", deadline, w.name)
		}
	}
	if w.soon > 0 {
		time.Sleep(time.Duration(j.random.Int64N(int64(w.soon)))) // a random instant is no event
	}
	cmd.Process.Kill()
	<-ended
	if cmd.ProcessState.ExitCode() >= 0 {
		j.t.Fatalf("the worker ended by itself, with code %d", cmd.ProcessState.ExitCode())
	}
	if w.hit == nil || w.hit(j) {
		j.hits[w.name]++
	}
}

// tear cuts the last line in two, as a kill in the middle of a write does.
func (j *torture) tear() {
	data, err := os.ReadFile(j.path("results.jsonl"))
	if err != nil {
		j.t.Fatal(err)
	}
	j.put(data[:len(data)-1-j.random.IntN(100)])
}

// zero leaves zeros in the middle, as a power cut does.
func (j *torture) zero() {
	data, err := os.ReadFile(j.path("results.jsonl"))
	if err != nil {
		j.t.Fatal(err)
	}
	at := j.random.IntN(len(data))
	clear(data[at:min(at+700, len(data))])
	j.put(data)
}

func (j *torture) put(data []byte) {
	if err := os.WriteFile(j.path("results.jsonl"), data, 0o600); err != nil {
		j.t.Fatal(err)
	}
}
