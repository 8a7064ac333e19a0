package slurm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Split is how tasks divide the input among themselves. The first run pins it as JSON beside the results, so that a
// later submission of some of the tasks takes the same parts: sbatch --array=2 alone would look like the whole.
//
// A task's shard is its place among Tasks, times Ranks, plus its rank in the step: n shards are len(Tasks) times Ranks.
type Split struct {
	// Tasks are the numbers of the array's tasks, in order; none where the job is in no array.
	Tasks []int `json:"array_tasks,omitempty"`
	// Ranks is the number of tasks of each one's step, from 1; 1 where there is no step.
	Ranks int `json:"ranks"`
}

// Split tells how the tasks of this submission divide the input. It is an error where the environment does not tell the
// numbers of the array's tasks, and Ask has not found them.
func (j Job) Split() (Split, error) {
	s := Split{Ranks: max(1, j.Step.Tasks)}
	if j.InArray() {
		tasks, ok := j.Array.Numbers()
		if !ok {
			return Split{}, fmt.Errorf("array %d has %d tasks from %d to %d, and SLURM's variables do not tell which: give each its part with --shard i/n, or submit the array as a range", j.Array.JobID, j.Array.Count, j.Array.Min, j.Array.Max)
		}
		s.Tasks = tasks
	}
	if err := s.Validate(); err != nil {
		return Split{}, err
	}
	return s, nil
}

// Numbers returns the numbers of the array's tasks, in order. They follow from Min, Max and Step only where these make
// Count tasks: of a list with gaps (1,5,9-20) SLURM gives Step 1.
func (a Array) Numbers() (tasks []int, ok bool) {
	if a.Listed != nil {
		return a.Listed, true
	}
	if a.Step < 1 || a.Max < a.Min || a.Count > mostShards || (a.Max-a.Min)/a.Step+1 != a.Count || (a.Max-a.Min)%a.Step != 0 {
		return nil, false
	}
	for n := a.Min; n <= a.Max; n += a.Step {
		tasks = append(tasks, n)
	}
	return tasks, slices.Contains(tasks, a.Task)
}

// Count is the number of shards.
func (s Split) Count() int { return max(1, len(s.Tasks)) * s.Ranks }

// Validate tells what is wrong with a Split that was read from a file.
func (s Split) Validate() error {
	if s.Ranks < 1 || s.Ranks > mostShards || max(1, len(s.Tasks)) > mostShards/s.Ranks {
		return fmt.Errorf("split of %d array tasks by %d ranks: the shards are from 1 to %d", len(s.Tasks), s.Ranks, mostShards)
	}
	for i, n := range s.Tasks {
		if n < 0 || i > 0 && n <= s.Tasks[i-1] {
			return fmt.Errorf("split of array tasks %s: the numbers are from 0 and in order", s.tasks())
		}
	}
	return nil
}

// Shard returns the job's part. A place that the Split does not have is an error that says what it has: its part of the
// input would be another's, or nobody's.
func (s Split) Shard(j Job) (Shard, error) {
	if err := s.Validate(); err != nil {
		return Shard{}, err
	}
	outside := func(why string) (Shard, error) {
		return Shard{}, fmt.Errorf("%s: the input was split among %s: submit such tasks, or say --shard i/%d", why, s, s.Count())
	}
	at := 0
	switch {
	case j.InArray() && len(s.Tasks) == 0:
		return outside(fmt.Sprintf("array task %d has no part", j.Array.Task))
	case j.InArray():
		var found bool
		if at, found = slices.BinarySearch(s.Tasks, j.Array.Task); !found {
			return outside(fmt.Sprintf("array task %d has no part", j.Array.Task))
		}
	case len(s.Tasks) > 0:
		return outside("a job outside of an array has no part")
	}
	if ranks := max(1, j.Step.Tasks); ranks != s.Ranks { // or the parts of some ranks would be nobody's
		return outside(fmt.Sprintf("a step of %d tasks has no part", ranks))
	}
	return Shard{Index: at*s.Ranks + j.Step.Rank, Count: s.Count()}, nil
}

// String describes the Split for messages: "array tasks 0-3,7, each a step of 4 tasks".
func (s Split) String() string {
	switch {
	case len(s.Tasks) == 0 && s.Ranks == 1:
		return "one job"
	case len(s.Tasks) == 0:
		return fmt.Sprintf("a step of %d tasks", s.Ranks)
	case s.Ranks == 1:
		return "array tasks " + s.tasks()
	}
	return fmt.Sprintf("array tasks %s, each a step of %d tasks", s.tasks(), s.Ranks)
}

// tasks writes the numbers as sbatch's --array takes them.
func (s Split) tasks() string {
	var parts []string
	for i := 0; i < len(s.Tasks); {
		end := i
		for end+1 < len(s.Tasks) && s.Tasks[end+1] == s.Tasks[end]+1 {
			end++
		}
		part := strconv.Itoa(s.Tasks[i])
		if end > i {
			part += "-" + strconv.Itoa(s.Tasks[end])
		}
		parts = append(parts, part)
		i = end + 1
	}
	return strings.Join(parts, ",")
}
