package slurm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Split describes how tasks divide the input. The first run saves it as JSON beside the results, so that a later
// submission of some tasks takes the same parts: sbatch --array=2 alone would look like the whole.
//
// A task's shard is its position in Tasks, times Ranks, plus its rank in the step. There are len(Tasks) times Ranks
// shards.
type Split struct {
	// Tasks holds the numbers of the array's tasks in order; empty if the job is not in an array.
	Tasks []int `json:"array_tasks,omitempty"`
	// Ranks is the number of tasks in the step of each array task; 1 without a step.
	Ranks int `json:"ranks"`
}

// Split returns how the tasks of this submission divide the input. It returns an error if neither the environment nor
// Ask has given the numbers of the array's tasks.
func (j Job) Split() (Split, error) {
	s := Split{Ranks: max(1, j.Step.Tasks)}
	if j.InArray() {
		tasks, ok := j.Array.Numbers()
		if !ok {
			return Split{}, fmt.Errorf("array %d has %d tasks from %d to %d, but SLURM's variables do not list them: use --shard i/n for each task, or submit the array as a range", j.Array.JobID, j.Array.Count, j.Array.Min, j.Array.Max)
		}
		s.Tasks = tasks
	}
	if err := s.Validate(); err != nil {
		return Split{}, err
	}
	return s, nil
}

// Numbers returns the numbers of the array's tasks in order. It derives them from Min, Max and Step only if these give
// exactly Count tasks: for a list with gaps (1,5,9-20) SLURM reports Step 1.
func (a Array) Numbers() (tasks []int, ok bool) {
	if a.Listed != nil {
		return a.Listed, true
	}
	if a.Step < 1 || a.Max < a.Min || a.Count > maxShards || (a.Max-a.Min)/a.Step+1 != a.Count || (a.Max-a.Min)%a.Step != 0 {
		return nil, false
	}
	for n := a.Min; n <= a.Max; n += a.Step {
		tasks = append(tasks, n)
	}
	return tasks, slices.Contains(tasks, a.Task)
}

// Count returns the number of shards.
func (s Split) Count() int { return max(1, len(s.Tasks)) * s.Ranks }

// Validate returns an error if a Split from a file is invalid.
func (s Split) Validate() error {
	if s.Ranks < 1 || s.Ranks > maxShards || max(1, len(s.Tasks)) > maxShards/s.Ranks {
		return fmt.Errorf("split of %d array tasks by %d ranks: the number of shards must be from 1 to %d", len(s.Tasks), s.Ranks, maxShards)
	}
	for i, n := range s.Tasks {
		if n < 0 || i > 0 && n <= s.Tasks[i-1] {
			return fmt.Errorf("split of array tasks %s: the numbers must be ascending and not negative", s.tasks())
		}
	}
	return nil
}

// Shard returns the job's part of the input. It returns an error for a job that is not part of the Split, because its
// part would belong to another task or to none.
func (s Split) Shard(j Job) (Choice, error) {
	if err := s.Validate(); err != nil {
		return Choice{}, err
	}
	outside := func(why string) (Choice, error) {
		return Choice{}, fmt.Errorf("%s: the input was split among %s: submit these tasks, or use --shard i/%d", why, s, s.Count())
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
	if ranks := max(1, j.Step.Tasks); ranks != s.Ranks { // otherwise the parts of some ranks would belong to no task
		return outside(fmt.Sprintf("a step of %d tasks has no part", ranks))
	}
	return Choice{Index: at*s.Ranks + j.Step.Rank, Count: s.Count()}, nil
}

// String describes the Split in messages: "array tasks 0-3,7, each a step of 4 tasks".
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

// tasks returns the task numbers in the form of sbatch's --array.
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
