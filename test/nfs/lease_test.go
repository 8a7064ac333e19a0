package nfs

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/harness"
)

// stale is the stale time of most runs. It is shorter than the time for which the kernel's NFS client may use attributes
// from its cache (3 to 60 s), so the lease must not depend on attributes.
const stale = 10 * time.Second

const (
	rows  = 60 // of each input
	first = 20 // rows that the first run answers before the test goes on
)

// output is one output on a share that two nodes have mounted.
type output struct {
	*harness.Job // its folder, as the server's machine sees it
	share        *share
	name         string // of the folder
	a, b         *testNode
}

// newOutput makes a folder with an input.
func newOutput(t *testing.T, s *share, name string, a, b *testNode) *output {
	t.Helper()
	local := &harness.Job{T: t, Dir: t.TempDir()}
	local.WriteRows(rows)
	input, err := os.ReadFile(local.Path("prompts.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, filepath.Join(mountPoint, name, "prompts.jsonl"), string(input))
	return &output{Job: &harness.Job{T: t, Dir: filepath.Join(s.export, name)}, share: s, name: name, a: a, b: b}
}

// begin starts a run on the first node and waits until it has written its first rows.
func (o *output) begin(more ...string) *worker {
	o.T.Helper()
	w := o.a.run(o.T, o.name, first, more...)
	o.AwaitAnswers(first)
	return w
}

// takeOver runs fluxworker on the second node to the end of the input.
func (o *output) takeOver() {
	o.T.Helper()
	o.b.run(o.T, o.name, rows+1).wait(0, "")
	o.CheckRows(rows)
}

// files returns the results and the summary as the server has them.
func (o *output) files() map[string]string {
	o.T.Helper()
	all := make(map[string]string)
	for _, name := range []string{"results.jsonl", "results-errors.jsonl", "results.run/summary.json"} {
		data, err := os.ReadFile(o.Path(name))
		if err != nil {
			o.T.Fatal(err)
		}
		all[name] = string(data)
	}
	return all
}

// checkUnchanged demands that the files are still the files of the second run.
func (o *output) checkUnchanged(files map[string]string) {
	o.T.Helper()
	for name, text := range o.files() {
		if text != files[name] {
			o.T.Errorf("the first run has changed %s of the second from\n%s\nto\n%s", name, files[name], text)
		}
	}
}

func TestTwoNodes(t *testing.T) {
	for _, version := range []string{"3", "4.1"} {
		t.Run("v"+version, func(t *testing.T) {
			t.Parallel()
			s := newShare(t)
			a, b := s.boot(version)
			for _, tt := range []struct {
				name string
				test func(*testing.T, *output)
			}{
				{"live", testLive}, {"stopped", testStopped}, {"killed", testKilled}, {"replaced", testReplaced}, {"removed", testRemoved},
				{"hang", testServerHangs}, {"restart", testServerRestarts}, {"many", testMany}, {"cut", testCut},
				{"poweroff", testPowerOff},
			} {
				t.Run(tt.name, func(t *testing.T) { tt.test(t, newOutput(t, s, tt.name, a, b)) })
			}
		})
	}
}

// While the first run lives, the second waits and gives up. status on the other node names the holder.
func testLive(t *testing.T, o *output) {
	w := o.begin()
	second := o.b.run(t, o.name, 0)
	second.wait(83, " on "+o.a.name)
	w.release()
	w.wait(0, "")
	o.CheckRows(rows)
	o.b.run(t, o.name, 0).wait(0, "60 done before")
}

// The first run is stopped (SIGSTOP) for longer than the stale time, while answers for it arrive. It notices the new holder
// before it writes a line.
func testStopped(t *testing.T, o *output) {
	w := o.begin()
	w.signal(syscall.SIGSTOP)
	w.release()
	o.takeOver()
	after := o.files()
	w.signal(syscall.SIGCONT)
	w.wait(83, "it took over the lock while this process was stopped")
	o.checkUnchanged(after)
}

// The first run is killed. Another node cannot see that, so it waits for the stale time.
func testKilled(t *testing.T, o *output) {
	w := o.begin()
	w.signal(syscall.SIGKILL)
	w.wait(-1, "")
	o.takeOver()
}

// Another node puts another file in the place of the results.
func testReplaced(t *testing.T, o *output) {
	w := o.begin()
	o.b.write(t, filepath.Join(mountPoint, o.name, "results.jsonl"), "")
	w.release()
	w.wait(84, "results.jsonl")
	o.takeOver()
}

// Another node removes the results.
func testRemoved(t *testing.T, o *output) {
	w := o.begin()
	o.b.call(t, "Remove", filepath.Join(mountPoint, o.name, "results.jsonl"), &struct{}{})
	w.release()
	w.wait(84, "results.jsonl")
	o.takeOver()
}

// The server hangs for longer than the stale time. That is no silence of the first run.
func testServerHangs(t *testing.T, o *output) {
	w := o.begin()
	second := o.b.run(t, o.name, 0)
	o.share.signalServer(t, syscall.SIGSTOP)
	time.Sleep(2 * stale)
	o.share.signalServer(t, syscall.SIGCONT)
	second.wait(83, " on "+o.a.name)
	w.release()
	w.wait(0, "")
	o.CheckRows(rows)
}

// The server ends and starts again.
func testServerRestarts(t *testing.T, o *output) {
	w := o.begin()
	o.share.stopServer()
	o.share.startServer(t)
	w.release()
	w.wait(0, "")
	o.CheckRows(rows)
}

// The first run is cut off from the server while it has lines to write. The network comes back after the second run.
func testCut(t *testing.T, o *output) {
	w := o.begin()
	o.a.cut(t)
	w.release()
	o.takeOver()
	after := o.files()
	o.a.join(t, o.share)
	w.wait(83, "it took over the lock while this process was stopped")
	o.checkUnchanged(after)
}

// Of six runs on two nodes that find the same silent holder, one gets the output at a time.
func testMany(t *testing.T, o *output) {
	w := o.begin()
	w.signal(syscall.SIGKILL)
	w.wait(-1, "")
	var all []*worker
	for range 3 {
		for _, n := range []*testNode{o.a, o.b} {
			all = append(all, n.run(t, o.name, rows+1))
		}
	}
	ended := map[int]int{} // number of runs by exit code
	for _, w := range all {
		ended[w.exit().Code]++
	}
	if ended[0] == 0 || ended[0]+ended[83] != len(all) {
		t.Errorf("runs by exit code: %v, want 0 for one at least, and 83 for runs that did not get the output", ended)
	}
	o.CheckRows(rows)
}

// The first node loses its power, with what it had not written to the server.
func testPowerOff(t *testing.T, o *output) {
	o.begin()
	o.a.powerOff()
	o.takeOver()
}
