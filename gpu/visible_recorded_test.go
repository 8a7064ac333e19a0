package gpu

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// recorded returns the environments that package worker/slurm has recorded on real clusters, by the version of SLURM, the
// context's name ("22.05/sbatch") and its processes.
func recorded(t *testing.T) map[string][][]string {
	t.Helper()
	files, err := filepath.Glob("../worker/slurm/testdata/*/*.env")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded environments: %v", err)
	}
	contexts := map[string][][]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		context, _, _ := strings.Cut(filepath.Base(f), ".")
		name := filepath.Base(filepath.Dir(f)) + "/" + context
		contexts[name] = append(contexts[name], strings.Split(strings.TrimSpace(string(b)), "\n"))
	}
	return contexts
}

// shareOf returns a process's share on a node of four GPUs that it can all open.
func shareOf(t *testing.T, env []string) Share {
	t.Helper()
	a, err := Allocated(env, Report{Source: SourceNVML, Devices: four})
	if err != nil {
		t.Fatal(err)
	}
	rank, tasks := StepTasks(env)
	s, err := ShareByLocalID(a.Devices, rank, tasks)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The parts of a step's tasks, whichever way srun gave them GPUs: each GPU that SLURM gave is used, and every task knows
// with how many others it shares its GPU.
func TestRecordedStepsShareWhatTheySee(t *testing.T) {
	for name, want := range map[string]string{
		"step-gpus-shared":             "a|b|c|d",
		"step-gpus-per-task":           "a|b|c|d",
		"job-gpus-per-task":            "a|b|c|d",
		"step-gpus-per-task-bind-none": "a|b|c|d",
		"step-gpu-bind-single":         "a|b|c|d",
		"step-gpu-bind-single-again":   "a 1/2|b|c|a 2/2",
		"step-gpu-bind-single-two":     "a 1/2|a 2/2|b 1/2|b 2/2",
		"step-gpu-bind-map":            "a|b|c|d",
		"step-gpu-bind-map-uneven":     "a 1/4|a 2/4|c|a 3/4|a 4/4",
		"step-gpu-bind-mask":           "a b|c d",
		"step-gpu-bind-closest":        "a|b",
		"step-ntasks-per-gpu":          "a 1/2|a 2/2|b 1/2|b 2/2",
		"steps-one-task-each":          "a|b",
		"srun-alone":                   "a|b",
		"salloc-step":                  "a|b",
		"sbatch-gpu":                   "a",
		"sbatch-gpus-4":                "a b c d",
		"sbatch-from-step":             "b",
	} {
		for _, version := range []string{"22.05", "24.11", "26.05"} {
			t.Run(version+"/"+name, func(t *testing.T) {
				var got []string
				for _, env := range recorded(t)[version+"/"+name] {
					s := shareOf(t, env)
					text := short(s.Devices)
					if s.Tasks > 1 {
						text += fmt.Sprintf(" %d/%d", s.Rank+1, s.Tasks)
					}
					got = append(got, text)
				}
				if text := strings.Join(got, "|"); text != want {
					t.Errorf("got %s, want %s", text, want)
				}
			})
		}
	}
}

// Whatever else is recorded: tasks of a step together never overbook a GPU, and use each that one of them sees.
func TestRecordedTasksNeverOverbook(t *testing.T) {
	for name, envs := range recorded(t) {
		if context := filepath.Base(name); !strings.HasPrefix(context, "step-gpu") && !strings.HasPrefix(context, "job-gpu") {
			continue
		}
		used, seen := map[string]map[int]int{}, map[string]bool{}
		for _, env := range envs {
			a, err := Allocated(env, Report{Source: SourceNVML, Devices: four})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range a.Devices {
				seen[d.UUID] = true
			}
			s := shareOf(t, env)
			for _, d := range s.Devices {
				if used[d.UUID] == nil {
					used[d.UUID] = map[int]int{}
				}
				used[d.UUID][s.Rank]++
				if s.Rank >= s.Tasks {
					t.Errorf("%s: place %d of %d", name, s.Rank, s.Tasks)
				}
			}
		}
		if got, want := slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
			t.Errorf("%s: uses %v of %v", name, got, want)
		}
		for uuid, ranks := range used {
			for rank, n := range ranks {
				if n > 1 {
					t.Errorf("%s: %d tasks have place %d of %s", name, n, rank, uuid)
				}
			}
		}
	}
}

func TestRecordedWithoutGPUs(t *testing.T) {
	for name, envs := range recorded(t) {
		if !slices.Contains([]string{"sbatch", "array-2-alone", "batch-n4", "salloc-shell", "step-two-nodes", "step-in-array", "sbatch-from-array-step"}, filepath.Base(name)) {
			continue
		}
		for _, env := range envs {
			if _, err := Allocated(env, Report{Source: SourceNVML, Devices: four}); !errors.Is(err, ErrNotAllocated) {
				t.Errorf("%s: %v, want ErrNotAllocated", name, err)
			}
		}
	}
}
