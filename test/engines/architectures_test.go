package engines

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"fluxworker/test/harness"
)

var (
	// cacheBuffer matches what llama.cpp logs of each of its caches (llama-kv-cache.cpp, llama-memory-recurrent.cpp), and before a
	// model's caches with windows which of the two follows (llama-kv-cache-iswa.cpp). cacheOfOwn is what the old generation's own
	// engine logs of all.
	cacheBuffer = regexp.MustCompile(`(KV|RS) buffer size = +([0-9.]+) MiB|creating +(SWA|non-SWA) KV cache`)
	cacheOfOwn  = regexp.MustCompile(`msg="kv cache" device=\S+ size="([0-9.]+) ([KMG])iB"`)
	oldRunner   = regexp.MustCompile(`msg="starting runner" cmd="\S+ runner (--ollama-engine )?--`)
)

// A model of each architecture in the model list, and of those that popular models have today, is loaded by both generations,
// answers rows, and has the cache that was planned for it, with its windows and its recurrent state. What cannot be loaded says why.
func TestArchitectures(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		for _, m := range tinies {
			t.Run(m.name, func(t *testing.T) { m.check(t, g, 0, 40) })
		}
		// The answers to most of these rows are short, and that to the last is all of the rule.
		for _, m := range todays {
			t.Run(m.name, func(t *testing.T) { m.check(t, g, 27, 37) })
		}
	})
}

// defaultContext is the context of a test model that has no other.
const defaultContext = 2048

// check runs the model with the rows from number from up to the row before number end.
func (m tiny) check(t *testing.T, g harness.Generation, from, end int) {
	// Slots share a cache.
	j := g.NewJob(t, "--model", m.name, "--batch-size", "2", "--context", strconv.Itoa(cmp.Or(m.context, defaultContext)), "--temperature", "0")
	if m.context > 4096 {
		j.Args = append(j.Args, "--ubatch", "512") // the old generation's own engine fills masks for all cells while it loads
	}
	j.UseGPUs(g, harness.GPUs(1, ""))
	var input []string
	for i := from; i < end; i++ {
		id, text := fmt.Sprintf("row-%d", i), harness.PromptOf(i)
		if m.embeds {
			input = append(input, embeddingRow(id, text))
		} else {
			input = append(input, chatRow(id, text))
		}
	}
	j.Write(input...)
	if !m.loads(g) {
		j.Run(82)
		if !strings.Contains(j.Stderr.String(), m.notNew) {
			t.Errorf("the message does not say %q", m.notNew)
		}
		t.Logf("not loaded: %s", m.notNew)
		return
	}
	j.Run(0)
	switch {
	case m.embeds:
		results := j.RawLines("results.jsonl")
		for i := from; i < end; i++ {
			checkVectors(t, results[fmt.Sprintf("row-%d", i)], []string{harness.PromptOf(i)}, embedderWidth)
		}
	case m.says != "":
		results := j.Lines("results.jsonl")
		if len(results) != end-from {
			t.Errorf("%d rows answered, want %d", len(results), end-from)
		}
		for id, line := range results {
			if got := line.Response.Body.Choices[0].Message.Content; got != m.says {
				t.Errorf("%s: %q, want %q", id, got, m.says)
			}
		}
	default:
		j.CheckAnswers("results.jsonl", from, end)
	}
	checkCache(j, g, m)
}

// caches are bytes by the names of the plan's terms.
type caches map[string]float64

const mebi = 1 << 20

// checkCache compares the predicted sizes of the caches with what the engine has allocated: each by itself where llama.cpp runs the
// model, and all together where the old generation's own engine does, which logs no more than that.
func checkCache(j *harness.Job, g harness.Generation, m tiny) {
	j.T.Helper()
	data, err := os.ReadFile(j.Path("results.run/server.log"))
	if err != nil {
		j.T.Fatal(err)
	}
	planned := caches{}
	for _, term := range j.Manifest().Plan.Servers[0].Predicted {
		switch term.Name {
		case "KV cache", "sliding-window cache", "state":
			planned[term.Name] += float64(term.Bytes)
			planned["all"] += float64(term.Bytes)
		}
	}
	log, own := string(data), false
	if g.Name == "old" {
		runners := oldRunner.FindAllStringSubmatch(log, -1)
		if len(runners) == 0 {
			j.T.Fatal("the log does not say which runner was started")
		}
		if own = runners[len(runners)-1][1] != ""; own != m.oldOwn {
			j.T.Errorf("run by the generation's own engine: %t, want %t", own, m.oldOwn)
		}
	}
	if m.embeds {
		if cacheBuffer.MatchString(log) || cacheOfOwn.MatchString(log) || planned["all"] != 0 {
			j.T.Errorf("planned %.0f bytes; want no cache, neither in the plan nor in the log", planned["all"])
		}
		return
	}
	if own {
		found := cacheOfOwn.FindAllStringSubmatch(log, -1)
		if len(found) == 0 {
			j.T.Fatal("the server's log does not tell the size of its cache")
		}
		last := found[len(found)-1]
		size, _ := strconv.ParseFloat(last[1], 64)
		unit := math.Pow(1024, float64(1+strings.Index("KMG", last[2])))
		compareCache(j.T, "all", planned["all"], size*unit, 0.05*unit, cmp.Or(m.slack, 1)) // "1.8 MiB"
		return
	}
	allocated, term := caches{}, "KV cache"
	for _, line := range cacheBuffer.FindAllStringSubmatch(log, -1) {
		size, _ := strconv.ParseFloat(line[2], 64)
		switch {
		case line[3] == "SWA":
			term = "sliding-window cache"
		case line[3] != "":
			term = "KV cache"
		case line[1] == "RS":
			allocated["state"] += size * mebi
		default:
			allocated[term] += size * mebi
		}
	}
	for _, name := range []string{"KV cache", "sliding-window cache", "state"} {
		if planned[name] > 0 || allocated[name] > 0 {
			compareCache(j.T, name, planned[name], allocated[name], 0.005*mebi, 1) // "1.75 MiB"
		}
	}
}

// compareCache demands that a cache is as large as planned to 1 %, and at least 1/slack of that. The log rounds.
func compareCache(t *testing.T, name string, planned, allocated, rounding, slack float64) {
	t.Helper()
	t.Logf("%s: planned %.0f, allocated %.0f bytes, %+.2f %%", name, planned, allocated, 100*(planned/allocated-1))
	const tolerance = 0.01
	if allocated == 0 || planned < (allocated-rounding)*(1-tolerance) || planned > (allocated+rounding)*slack*(1+tolerance) {
		t.Errorf("%s: planned %.0f bytes, the engine allocated %.0f; want as much to %g times as much", name, planned, allocated, slack)
	}
}
