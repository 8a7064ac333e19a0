package standin

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fluxworker/test/await"
	"fluxworker/test/fakeollama"
	"fluxworker/test/harness"
	"fluxworker/test/seed"
)

var (
	tortureKills = flag.Int("torture.kills", 24, "how often the worker is killed at least")
	tortureRows  = flag.Int("torture.rows", 3000, "rows that are answered meanwhile")
)

// perStart is how many rows one start answers at most. So no run of the torture comes to its end by being quick.
const perStart = 30

// The promise: kill the worker anywhere, any number of times, and the files end as if nothing had happened. Every other start
// is not isolated. "make torture" is the long form; TestKilledAndStartedAgain kills workers of real servers.
func TestTorture(t *testing.T) {
	t.Parallel()
	undisturbed := harness.New(t, "--log-level", "error")
	undisturbed.UseStandIn()
	undisturbed.WriteRows(*tortureRows)
	undisturbed.Run(0)
	undisturbed.CheckRows(*tortureRows)
	want := answers(undisturbed)

	seed.Each(t, []uint64{1}, func(t *testing.T, random *rand.Rand) {
		j := &torture{Job: harness.New(t, "--log-level", "error"), random: random, hits: make(map[string]int)}
		j.UseStandIn()
		j.WriteRows(*tortureRows)
		j.Hold(perStart)
		kills := 0
		// Whether a kill falls into a short window depends on how busy the machine is: the window is tried until one does.
		for ; kills < *tortureKills || j.missed() != nil; kills++ {
			if j.Answered() > *tortureRows-perStart {
				t.Fatalf("after %d kills no row is left, and none fell into %s; kills so far: %v", kills, j.missed().name, j.hits)
			}
			w := &windows[random.IntN(len(windows))]
			if kills >= *tortureKills {
				w = j.missed()
			}
			j.killOnce(w, []string{"never", "auto"}[kills%2])
		}
		j.Release()
		j.Run(0)
		j.CheckRows(*tortureRows)
		j.CheckBlameless()
		if !maps.Equal(answers(j.Job), want) {
			t.Error("the answers are not those of an undisturbed run")
		}
		// A start that is killed in its recovery leaves no record.
		attempts, _ := filepath.Glob(j.Path("results.run/attempts/*.json"))
		if least := j.hits["the answering"] + j.hits["the time before an fsync"] + 1; len(attempts) < least || len(attempts) > kills+1 {
			t.Errorf("%d attempts are on record, want %d to %d", len(attempts), least, kills+1)
		}
		left, _ := filepath.Glob(j.Path(".*"))
		more, _ := filepath.Glob(j.Path("results.run/.*"))
		if left = append(left, more...); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		t.Logf("%d kills: %v", kills, j.hits)
	})
}

// answers are the parts of the lines that must not depend on what happened meanwhile.
func answers(j *harness.Job) map[string]string {
	j.T.Helper()
	data, err := os.ReadFile(j.Path("results.jsonl"))
	if err != nil {
		j.T.Fatal(err)
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
			j.T.Fatalf("line %q: %v", line, err)
		}
		all[l.CustomID] = fmt.Sprintf("%+v", []any{l.ID, l.Response.Status, l.Response.ID, string(l.Response.Body.Choices), string(l.Response.Body.Usage), string(l.Error)})
	}
	return all
}

// torture is a job whose worker is killed again and again.
type torture struct {
	*harness.Job
	random *rand.Rand
	hits   map[string]int // kills that fell into each window
}

// window is a part of the worker's life in which it is killed.
type window struct {
	name string
	// damage is done to the output before the start; nil does none.
	damage func(*torture)
	// await waits until the window is open. It returns false where the worker ended or the window went by unseen, as it may on a
	// busy machine; nil is for windows that are open at once.
	await func(j *torture, w *watch) bool
	soon  time.Duration // the kill comes within this time
	// hit reports after the kill whether it fell into the window; nil believes it.
	hit func(*torture) bool
}

// draftOfResults matches the new content of the results before its rename.
const draftOfResults = ".results.jsonl.*.new"

var windows = []window{
	{name: "the start", soon: 100 * time.Millisecond},
	{name: "the recovery", soon: 3 * time.Millisecond, damage: (*torture).tear, await: func(_ *torture, w *watch) bool {
		return w.await("lock.*")
	}},
	{name: "the rewrite", damage: (*torture).zero, await: func(_ *torture, w *watch) bool {
		return w.await(draftOfResults)
	}, hit: func(j *torture) bool {
		drafts, _ := filepath.Glob(j.Path(draftOfResults))
		return len(drafts) > 0
	}},
	// Lines are synced a second after they were written.
	{name: "the time before an fsync", await: func(j *torture, _ *watch) bool {
		j.awaitServed(1 + j.random.IntN(perStart))
		return true
	}},
	{name: "the answering", soon: 100 * time.Millisecond, await: func(j *torture, _ *watch) bool {
		j.awaitServed(1)
		return true
	}},
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
	if w.damage != nil && j.Answered() < 2 {
		w = &windows[len(windows)-1] // there is nothing to mend yet
	}
	if w.damage != nil {
		w.damage(j)
	}
	os.Remove(j.Path("record.json")) // of the server before
	if err := os.MkdirAll(j.Path("results.run"), 0o700); err != nil {
		j.T.Fatal(err)
	}
	watch := newWatch(j.T, j.Dir, j.Path("results.run"))
	cmd := j.Start("--isolate", isolate)
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended); watch.close() }()
	var passing sync.WaitGroup
	defer passing.Wait()
	passing.Go(func() { j.awaitPassed(ended); watch.close() })
	open := w.await == nil || w.await(j, watch)
	if w.soon > 0 {
		time.Sleep(time.Duration(j.random.Int64N(int64(w.soon)))) // a random instant is no event
	}
	cmd.Process.Kill()
	<-ended
	j.checkKilled(cmd, w)
	if open && (w.hit == nil || w.hit(j)) {
		j.hits[w.name]++
	}
}

// awaitPassed waits until this start's server has answered a row, or the worker has ended: what happens before the answers has
// passed by then.
func (j *torture) awaitPassed(ended <-chan struct{}) {
	for {
		if record, err := fakeollama.ReadRecord(j.Path("record.json")); err == nil && record.Answered > 0 {
			return
		}
		select {
		case <-ended:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (j *torture) checkKilled(cmd *exec.Cmd, w *window) {
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		j.T.Fatalf("the worker ended by itself, with code %d, before it was killed in %s", code, w.name)
	}
	j.AwaitGone()
}

// awaitServed waits until this start's server has answered so many rows. The lines of the results would not tell: damaged
// lines go, and those of their rows come anew.
func (j *torture) awaitServed(rows int) {
	j.T.Helper()
	await.Until(j.T, fmt.Sprintf("the server to answer %d rows", rows), func() bool {
		record, err := fakeollama.ReadRecord(j.Path("record.json"))
		return err == nil && record.Answered >= rows
	})
}

// tear cuts the last line in two, as a kill in the middle of a write does.
func (j *torture) tear() {
	data := j.results()
	j.put(data[:len(data)-1-j.random.IntN(100)])
}

// zero leaves zeros in the middle, as a power cut does. The last line and the line end before it stay: where all is broken up to
// the end of the file, the end is cut where it is, and nothing is rewritten.
func (j *torture) zero() {
	data := j.results()
	end := bytes.LastIndexByte(data[:len(data)-1], '\n')
	at := j.random.IntN(end)
	clear(data[at:min(at+700, end)])
	j.put(data)
}

func (j *torture) results() []byte {
	data, err := os.ReadFile(j.Path("results.jsonl"))
	if err != nil {
		j.T.Fatal(err)
	}
	return data
}

func (j *torture) put(data []byte) {
	if err := os.WriteFile(j.Path("results.jsonl"), data, 0o600); err != nil {
		j.T.Fatal(err)
	}
}
