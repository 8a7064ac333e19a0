package engines

import (
	"os"
	"strings"
	"testing"
	"time"

	"fluxworker/test/harness"
	"fluxworker/test/slowfs"
)

// A model on a network file system is read by fluxworker before a server loads it, and the server reads next to nothing from
// there. Without staging, the server reads the model.
func TestStage(t *testing.T) {
	const rows = 5
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		lower := t.TempDir()
		copyFile(t, g, "tiny-8b-cache.gguf", lower+"/model.gguf")
		info, err := os.Stat(lower + "/model.gguf")
		if err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{"auto", "never"} {
			slow := slowfs.Mount(t, lower, slowfs.Options{Latency: time.Millisecond})
			j := newFileJob(t, g, slow.Dir+"/model.gguf", "--stage", when)
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
