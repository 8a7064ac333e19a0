package batcher

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

const (
	logsFile   = "testdata/logs.jsonl"
	logsReport = "testdata/logs.md"
)

// logged is one public log of a server on a real GPU; sizes are in MiB.
type logged struct {
	ID, Model, Engine, Hardware, Source, Family, Note string

	Runner                         Runner
	Keys                           map[string]any
	Slots, Context, Ubatch, Drafts int
	Cache                          string
	NoFlash                        bool `json:"no_flash"`
	Group                          int
	Projector                      float64 // size of the projector's file
	// Logged holds what the server printed: weights, host (the part of the weights in host memory), kv, swa, state, compute,
	// projector.
	Logged map[string]float64
	// Exceptions holds the reason for each value that the plan is not held against.
	Exceptions map[string]string
}

func readLogs(t *testing.T) (logs []logged) {
	t.Helper()
	f, err := os.Open(logsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var l logged
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		logs = append(logs, l)
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
	return logs
}

// planned returns the planned sizes of the same buffers, in MiB.
func (l logged) planned(t *testing.T) map[string]float64 {
	t.Helper()
	info := map[string]any{"general.architecture": l.Family}
	for key, value := range l.Keys {
		info[l.Family+"."+key] = value
	}
	bytes := func(mibs float64) int64 { return int64(mibs * float64(mib)) }
	a, err := FromMetadata(info, bytes(l.Logged["weights"]+l.Logged["host"]), bytes(l.Projector))
	if err != nil {
		t.Fatalf("%s: %v", l.ID, err)
	}
	a.HostBytes = bytes(l.Logged["host"])
	s := serverSpec{slots: int64(l.Slots), context: int64(l.Context), cache: l.Cache, ubatch: int64(l.Ubatch), runner: l.Runner,
		group: int64(max(l.Group, 1)), noFlash: l.NoFlash, drafts: int64(l.Drafts)}
	sizes := map[string]float64{}
	for _, term := range architectureTerms(a, s) {
		name := map[string]string{kvName: "kv", windowName: "swa", stateName: "state", "compute buffer": "compute"}[term.Name]
		if name == "" {
			name = term.Name
		}
		sizes[name] = float64(term.Bytes) / float64(mib)
	}
	// Logs with one number for all caches.
	if l.Family == "mllama" {
		sizes["kv"] += sizes["state"]
	}
	if l.Runner == LlamaRunner {
		sizes["kv"] += sizes["swa"]
	}
	return sizes
}

// above returns how much planned is above logged, as a share of logged.
func above(planned, logged float64) float64 { return planned/logged - 1 }

// TestPlanAgainstLogs holds the plan against what servers on real GPUs printed. Every cache is within -1 and +3 %, and all buffers of
// a llama-server together within -2 and +8 %, where a log has no exception.
func TestPlanAgainstLogs(t *testing.T) {
	var b strings.Builder
	b.WriteString(logsHeader)
	caches, totals := 0, 0
	for _, l := range readLogs(t) {
		planned := l.planned(t)
		cells := []string{l.ID, l.Model, l.Engine, string(l.Runner), fmt.Sprintf("%d × %d, ubatch %d, %s", l.Slots, l.Context, l.Ubatch, l.Cache)}
		var logSum, planSum float64
		complete := true
		for _, name := range []string{"weights", "kv", "swa", "state", "compute"} {
			logs, there := l.Logged[name]
			if !there {
				cells = append(cells, "")
				continue
			}
			text := fmt.Sprintf("%.1f / %.1f", logs, planned[name])
			_, except := l.Exceptions[name]
			logSum, planSum, complete = logSum+logs, planSum+planned[name], complete && !except
			if except {
				text += " *"
			}
			cells = append(cells, text)
			if off := above(planned[name], logs); name != "weights" && name != "compute" && !except {
				caches++
				if off < -0.01 || off > 0.03 {
					t.Errorf("%s %s: %s: planned %.2f MiB, logged %.2f (%+.1f %%)", l.ID, l.Model, name, planned[name], logs, 100*off)
				}
			}
		}
		_, compute := l.Logged["compute"]
		if off := above(planSum, logSum); compute && complete && l.Runner == LlamaServer {
			totals++
			if off < -0.02 || off > 0.08 {
				t.Errorf("%s %s: all buffers: planned %.2f MiB, logged %.2f (%+.1f %%)", l.ID, l.Model, planSum, logSum, 100*off)
			}
		}
		cells = append(cells, fmt.Sprintf("%+.1f %%", 100*above(planSum, logSum)))
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	b.WriteString("\n")
	for _, l := range readLogs(t) {
		for _, name := range []string{"weights", "kv", "swa", "state", "compute"} {
			if why, there := l.Exceptions[name]; there {
				fmt.Fprintf(&b, "* %s, %s: %s.\n", l.ID, name, why)
			}
		}
	}
	if caches < 30 || totals < 8 {
		t.Errorf("%d caches and %d sums were compared", caches, totals)
	}
	golden(t, logsReport, b.String())
}

const logsHeader = `# Logged and planned

Written by ` + "`go test ./batcher -run Logs -update`" + `; the test compares it. Each line is a public log of a server on a real GPU
(testdata/logs.jsonl has the sources), and each cell what the server printed and what the plan has, in MiB. A star marks a value
that the plan is not held against; the reasons are below.

| log | model | engine | runner | server | weights | KV cache | windows | state | compute | all |
|---|---|---|---|---|---|---|---|---|---|---|
`

// The CUDA runtime is what a process has on the GPU besides its buffers.
func TestRuntimeAgainstLogs(t *testing.T) {
	compared := 0
	for _, l := range readLogs(t) {
		if total := l.Logged["process_total"]; total > 0 {
			compared++
			rest := total - l.Logged["weights"] - l.Logged["kv"] - l.Logged["compute"]
			if off := float64(runtimeBytes)/float64(mib) - rest; math.Abs(off) > 32 || off < 0 {
				t.Errorf("%s: %.0f MiB besides the buffers, planned %.0f", l.ID, rest, float64(runtimeBytes)/float64(mib))
			}
		}
	}
	if compared == 0 {
		t.Error("no log has the memory of a process")
	}
}

// With several GPUs only the first holds further copies of the inputs. The log has the compute buffers of both.
func TestPipelineAgainstLog(t *testing.T) {
	for _, l := range readLogs(t) {
		if l.ID != "21" {
			continue
		}
		const first = 4205 // CUDA0
		planned := l.planned(t)
		if off := above(planned["compute"]+planned[pipelineName], first); off < -0.02 || off > 0.08 {
			t.Errorf("first GPU: planned %.0f + %.0f MiB, logged %d", planned["compute"], planned[pipelineName], first)
		}
	}
}

// golden compares text with a file, or writes the file with -update.
func golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("%s is out of date; look at the difference after go test ./batcher -run 'Table|Logs' -update", file)
	}
}
