package engines

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"fluxworker/test/harness"
)

var (
	// cacheBuffer is what llama.cpp logs of each of its caches, cacheOfOwn what the old generation's own engine logs of all.
	cacheBuffer = regexp.MustCompile(`KV buffer size = +([0-9.]+) MiB`)
	cacheOfOwn  = regexp.MustCompile(`msg="kv cache" device=\S+ size="([0-9.]+) ([KMG])iB"`)
	oldRunner   = regexp.MustCompile(`msg="starting runner" cmd="\S+ runner (--ollama-engine )?--`)
)

// A model of each architecture in the model list is loaded by both generations, answers rows, and has the cache that was
// planned for it. What cannot be loaded says why.
func TestArchitectures(t *testing.T) {
	const rows = 40
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		for _, m := range tinies {
			t.Run(m.name, func(t *testing.T) {
				// Twice the window and more, and slots that share a cache.
				j := g.NewJob(t, "--model", m.name, "--batch-size", "2", "--context", "2048", "--temperature", "0")
				j.UseGPUs(g, harness.GPUs(1, ""))
				j.WriteRows(rows)
				if !m.loads(g) {
					j.Run(82)
					if !strings.Contains(j.Stderr.String(), m.notNew) {
						t.Errorf("the message does not say %q", m.notNew)
					}
					return
				}
				j.Run(0)
				j.CheckRows(rows)
				checkCache(j, g, m)
			})
		}
	})
}

// checkCache compares the predicted sizes of the caches with what the engine has allocated.
func checkCache(j *harness.Job, g harness.Generation, m tiny) {
	j.T.Helper()
	data, err := os.ReadFile(j.Path("results.run/server.log"))
	if err != nil {
		j.T.Fatal(err)
	}
	log, allocated, own := string(data), 0.0, false
	if g.Name == "old" {
		runners := oldRunner.FindAllStringSubmatch(log, -1)
		if len(runners) == 0 {
			j.T.Fatal("the log does not say which runner was started")
		}
		if own = runners[len(runners)-1][1] != ""; own != m.oldOwn {
			j.T.Errorf("run by the generation's own engine: %t, want %t", own, m.oldOwn)
		}
	}
	if own {
		found := cacheOfOwn.FindAllStringSubmatch(log, -1)
		if len(found) == 0 {
			j.T.Fatal("the server's log does not tell the size of its cache")
		}
		last := found[len(found)-1]
		size, _ := strconv.ParseFloat(last[1], 64)
		allocated = size * math.Pow(1024, float64(1+strings.Index("KMG", last[2])))
	}
	for _, cache := range cacheBuffer.FindAllStringSubmatch(log, -1) {
		size, _ := strconv.ParseFloat(cache[1], 64)
		allocated += size * (1 << 20)
	}
	var planned harness.Manifest
	j.Read("results.run/manifest.json", &planned)
	predicted := 0.0
	for _, term := range planned.Plan.Servers[0].Predicted {
		switch term.Name {
		case "KV cache", "sliding-window cache", "state":
			predicted += float64(term.Bytes)
		}
	}
	j.T.Logf("predicted %.0f, allocated %.0f bytes", predicted, allocated)
	most := 1.0
	if own {
		most = m.slack
	}
	const rounding = 0.03 // of "1.8 MiB"
	if allocated == 0 || predicted < allocated*(1-rounding) || predicted > allocated*most*(1+rounding) {
		j.T.Errorf("predicted %.0f bytes, the engine allocated %.0f; want as much to %g times as much", predicted, allocated, most)
	}
}
