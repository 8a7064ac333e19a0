package engines

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/await"
	"fluxworker/test/harness"
	"fluxworker/test/slowfs"
)

// A model on a network file system is read by fluxworker before a server loads it, and the server reads next to nothing from
// there. Without staging, the server reads the model.
func TestStage(t *testing.T) {
	t.Parallel()
	const rows = 5
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		lower := t.TempDir()
		copyFile(t, g, "tiny-8b-cache.gguf", filepath.Join(lower, "model.gguf"))
		info, err := os.Stat(lower + "/model.gguf")
		if err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{"auto", "never"} {
			slow := slowfs.Mount(t, lower, slowfs.Options{Latency: time.Millisecond})
			j := newFileJob(t, g, filepath.Join(slow.Dir, "model.gguf"), "--stage", when)
			j.WriteRows(rows)
			j.Run(0)
			j.CheckRows(rows)
			byServer := slow.Read("") - slow.Read("fluxworker")
			staged := strings.Contains(j.Stderr.String(), "the model's files are read ahead")
			read := byServer > info.Size()/2 // fluxworker itself reads the header and a sample, in any case
			if want := when == "auto"; staged != want || read == want {
				t.Errorf("--stage %s: the server read %d of %d bytes from the slow file system; read ahead is %t", when, byServer, info.Size(), staged)
			}
		}
	})
}

// A signal ends the reading: no server is started any more, and nothing remains of the turn to read.
func TestTerminatedWhileStaging(t *testing.T) {
	t.Parallel()
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		lower := t.TempDir()
		copyFile(t, g, "tiny-8b-cache.gguf", filepath.Join(lower, "model.gguf"))
		const half = 18 << 20 // of 36 MB; before the reading ahead, fluxworker reads less than 8 MB
		slow := slowfs.Mount(t, lower, slowfs.Options{HoldAt: half})
		j := newFileJob(t, g, filepath.Join(slow.Dir, "model.gguf"))
		j.WriteRows(5)
		cmd := j.Start()
		await.Until(t, "half of the model", func() bool { return slow.Read("") >= half })
		if turns, _ := filepath.Glob(j.Path("tmp/fluxworker-stage-*")); len(turns) != 1 {
			t.Errorf("the files of the turn are %q", turns)
		}
		cmd.Process.Signal(syscall.SIGTERM)
		j.AwaitSaid("no new rows")
		slow.Release()
		j.Wait(cmd, 75)
		if said := j.Stderr.String(); strings.Contains(said, "starting server") || strings.Contains(said, "files are read ahead") {
			t.Error("the run went on after the signal")
		}
		if left, _ := os.ReadDir(j.Path("tmp")); len(left) > 0 {
			t.Errorf("%s remains in the scratch folder", left[0].Name())
		}
	})
}
