package slurm

import (
	"fmt"
	"strconv"
	"strings"
)

// maxShards protects against a mistyped count that would create a million files.
const maxShards = 100_000

// Choice is this process's part of the input, as --shard names it: shard Index, from 0, of Count, or Auto if the job's Split
// decides. A Count of 1 is the whole input.
type Choice struct {
	Auto         bool
	Index, Count int // zero if Auto is set
}

// String returns the form of --shard: "3/16".
func (c Choice) String() string { return fmt.Sprintf("%d/%d", c.Index, c.Count) }

// UndecidedError means that several processes run the same command and --shard does not say how to divide the input.
type UndecidedError struct {
	Where string // description of this process's job
}

func (e *UndecidedError) Error() string {
	return fmt.Sprintf("this is %s, and every task runs this command: use --shard auto (each task takes its part of the input) or --shard none (this task has its own input)", e.Where)
}

// Choose parses the value of --shard: "auto", "none", "i/n" with i from 0, or "" if it was not given. For "" in a job
// with several tasks it returns an *UndecidedError, because otherwise each task would process the whole input.
func (j Job) Choose(value string) (Choice, error) {
	switch value {
	case "":
		if j.Parallel() {
			return Choice{}, &UndecidedError{j.String()}
		}
		return Choice{Count: 1}, nil
	case "none":
		return Choice{Count: 1}, nil
	case "auto":
		return Choice{Auto: true}, nil
	}
	index, count, _ := strings.Cut(value, "/")
	i, errI := strconv.Atoi(index)
	n, errN := strconv.Atoi(count)
	switch {
	case errI != nil || errN != nil:
		return Choice{}, fmt.Errorf("--shard %s: use auto, none, or a number and a count like 0/16", value)
	case n < 1 || n > maxShards:
		return Choice{}, fmt.Errorf("--shard %s: the count must be from 1 to %d", value, maxShards)
	case i < 0 || i >= n:
		return Choice{}, fmt.Errorf("--shard %s: the number must be from 0 to %d", value, n-1)
	}
	return Choice{Index: i, Count: n}, nil
}
