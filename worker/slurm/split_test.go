package slurm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fluxworker/test/seed"
	"fluxworker/worker/slurm"
)

// submission is what each task of "sbatch --array=numbers" with steps of so many ranks sees; no numbers is no array.
// Of the numbers SLURM gives Min, Max and Count, and a Step other than 1 for a plain range with a step.
func submission(numbers []int, step, ranks int) []slurm.Job {
	var jobs []slurm.Job
	for i := range max(1, len(numbers)) {
		for rank := range ranks {
			j := slurm.Job{ID: int64(100 + i)}
			if len(numbers) > 0 {
				j.Array = slurm.Array{JobID: 100, Task: numbers[i], Count: len(numbers), Min: numbers[0], Max: numbers[len(numbers)-1], Step: step}
			}
			if ranks > 1 {
				j.Step = slurm.Step{In: true, Rank: rank, Tasks: ranks, LocalTasks: ranks, Nodes: 1}
			}
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// parts checks that the shards of the jobs have no row twice, and returns the rows they have of so many.
func parts(t *testing.T, split slurm.Split, jobs []slurm.Job, rows int) map[int]bool {
	t.Helper()
	taken := map[int]bool{}
	for _, j := range jobs {
		s, err := split.Shard(j)
		if err != nil {
			t.Fatalf("%s: %v", j, err)
		}
		for i := s.Index; i < rows; i += s.Count {
			if taken[i] {
				t.Fatalf("%s and another have row %d of %s", j, i, split)
			}
			taken[i] = true
		}
	}
	return taken
}

// Any array, any number of ranks, any input: each row is one task's, and tasks that are submitted again later, some or
// all, have the rows they had.
func TestSplitIsWhole(t *testing.T) {
	seed.Each(t, seed.First(1), func(t *testing.T, r *rand.Rand) {
		for range 3000 {
			var numbers []int
			step := 1 + r.IntN(4)
			if r.IntN(4) > 0 { // an array
				for n, i := r.IntN(5), 0; i < 1+r.IntN(12); i++ {
					numbers = append(numbers, n)
					n += step
				}
			}
			listed := len(numbers) > 2 && r.IntN(2) == 0
			if listed { // a list with a gap, which only the controller knows
				at := 1 + r.IntN(len(numbers)-2)
				numbers = slices.Delete(numbers, at, at+1)
				step = 1
			}
			ranks, rows := 1+r.IntN(4), r.IntN(100)
			jobs := submission(numbers, step, ranks)
			if listed {
				for i := range jobs {
					if _, err := jobs[i].Split(); len(numbers) > 1 && numbers[len(numbers)-1]-numbers[0]+1 != len(numbers) && (err == nil || !strings.Contains(err.Error(), "--shard i/n")) {
						t.Fatalf("%v: %v", numbers, err)
					}
					jobs[i].Array.Listed = numbers
				}
			}
			var pinned []byte
			for _, j := range jobs { // whichever comes first pins the same
				split, err := j.Split()
				if err != nil {
					t.Fatalf("%v: %v", numbers, err)
				}
				text, err := json.Marshal(split)
				if err != nil {
					t.Fatal(err)
				}
				if pinned != nil && string(pinned) != string(text) {
					t.Fatalf("%s and %s of one array", pinned, text)
				}
				pinned = text
			}
			var split slurm.Split
			if err := json.Unmarshal(pinned, &split); err != nil {
				t.Fatal(err)
			}
			if got := parts(t, split, jobs, rows); len(got) != rows {
				t.Fatalf("%s: %d of %d rows", split, len(got), rows)
			}
			if len(numbers) == 0 {
				continue
			}
			first, rest := []int{}, []int{}
			for _, n := range numbers { // two later submissions of parts of the array
				if r.IntN(2) == 0 {
					first = append(first, n)
				} else {
					rest = append(rest, n)
				}
			}
			taken := map[int]bool{}
			for _, part := range [][]int{first, rest} {
				if len(part) == 0 {
					continue
				}
				for row := range parts(t, split, submission(part, 1, ranks), rows) {
					if taken[row] {
						t.Fatalf("%s: row %d twice", split, row)
					}
					taken[row] = true
				}
			}
			if len(taken) != rows {
				t.Fatalf("%s: %d of %d rows", split, len(taken), rows)
			}
		}
	})
}

func TestSplitErrors(t *testing.T) {
	array := submission([]int{0, 1, 2, 3}, 1, 2)
	split, err := array[0].Split()
	if err != nil || split.Count() != 8 {
		t.Fatal(split, err)
	}
	for name, c := range map[string]struct {
		job  slurm.Job
		want string
	}{
		"another task":     {submission([]int{7}, 1, 2)[0], "array task 7 has no part: the input was split among array tasks 0-3, each a step of 2 tasks"},
		"no array":         {submission(nil, 1, 2)[0], "outside of an array"},
		"fewer ranks":      {submission([]int{2}, 1, 1)[0], "a step of 1 tasks"},
		"the way out is n": {submission([]int{7}, 1, 2)[0], "--shard i/8"},
		"its own part":     {submission([]int{2}, 1, 2)[0], ""},
	} {
		_, err := split.Shard(c.job)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (slurm.Split{Ranks: 2}).Shard(array[0]); err == nil || !strings.Contains(err.Error(), "a step of 2 tasks") {
		t.Errorf("an array on a step's split: %v", err)
	}
	for _, broken := range []slurm.Split{{}, {Ranks: -1}, {Ranks: 1, Tasks: []int{2, 1}}, {Ranks: 1, Tasks: []int{1, 1}}, {Ranks: 1, Tasks: []int{-1}}, {Ranks: 1 << 40}} {
		if _, err := broken.Shard(array[0]); err == nil {
			t.Errorf("%+v: no error", broken)
		}
	}
}

func TestSplitOfRecordedJobs(t *testing.T) {
	for file, want := range map[string]string{
		"array-0-3.task3":             "3/4",
		"array-1-9-step-4.task5":      "1/3",
		"array-2-alone.task2":         "0/1", // which is why the first run's split is pinned
		"step-in-array.task5.rank1":   "3/4",
		"step-two-nodes.rank2":        "2/3",
		"batch-n4":                    "0/1",
		"sbatch":                      "0/1",
		"array-list.task9":            "",
		"array-list-as-if-even.task3": "",
	} {
		for _, version := range versions {
			j, err := slurm.FromEnviron(recording(t, version, file+".env"))
			if err != nil {
				t.Fatal(err)
			}
			split, err := j.Split()
			if want == "" {
				if err == nil || !strings.Contains(err.Error(), "--shard i/n") {
					t.Errorf("%s, %s: %v, %v", version, file, split, err)
				}
				continue
			}
			s, errShard := split.Shard(j)
			if err := errors.Join(err, errShard); err != nil || s.String() != want {
				t.Errorf("%s, %s: %v, %v, want %s", version, file, s, err, want)
			}
		}
	}
}

func TestChoose(t *testing.T) {
	alone, array, step := submission(nil, 1, 1)[0], submission([]int{0, 1}, 1, 1)[0], submission(nil, 1, 2)[0]
	for _, c := range []struct {
		job   slurm.Job
		value string
		want  slurm.Choice
		err   string
	}{
		{slurm.Job{}, "", slurm.Choice{Index: 0, Count: 1}, ""},
		{alone, "", slurm.Choice{Index: 0, Count: 1}, ""},
		{array, "", slurm.Choice{}, "--shard none"},
		{step, "", slurm.Choice{}, "--shard auto"},
		{array, "none", slurm.Choice{Index: 0, Count: 1}, ""},
		{array, "auto", slurm.Choice{Auto: true}, ""},
		{array, "3/16", slurm.Choice{Index: 3, Count: 16}, ""},
		{alone, "16/16", slurm.Choice{}, "from 0 to 15"},
		{alone, "-1/16", slurm.Choice{}, "from 0 to 15"},
		{alone, "0/0", slurm.Choice{}, "from 1 to"},
		{alone, "3", slurm.Choice{}, "use auto, none"},
		{alone, "all", slurm.Choice{}, "use auto, none"},
	} {
		got, err := c.job.Choose(c.value)
		if !reflect.DeepEqual(got, c.want) || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s --shard %q: %+v, %v", c.job, c.value, got, err)
		}
		if _, undecided := errors.AsType[*slurm.UndecidedError](err); undecided != (c.value == "" && c.err != "") {
			t.Errorf("%s --shard %q: %v", c.job, c.value, err)
		}
	}
	if s := fmt.Sprint(slurm.Choice{Index: 3, Count: 16}); s != "3/16" {
		t.Error(s)
	}
}
