package slurm

import (
	"fmt"
	"strconv"
	"strings"
)

// Shard is a part of the input: of n shards, shard i has the rows whose number, from 0, is i modulo n.
type Shard struct {
	Index int `json:"index"` // from 0
	Count int `json:"count"` // from 1
}

// String is the form that ParseShard reads: "3/16".
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Count) }

// Whole tells whether the shard is the whole input.
func (s Shard) Whole() bool { return s.Count == 1 }

// mostShards keeps a slip of the keyboard from being a million files.
const mostShards = 100_000

// Choice is what --shard says for this process: a Shard, or that the job's Split tells it.
type Choice struct {
	Auto  bool
	Shard Shard // unless Auto
}

// UndecidedError means that several processes run the same command and nobody has said what each is to answer.
type UndecidedError struct {
	Where string // this process's place
}

func (e *UndecidedError) Error() string {
	return fmt.Sprintf("this is %s, and every task runs this command: say --shard auto (each task takes its part of the input) or --shard none (this task's input is its own)", e.Where)
}

// Choose reads the value of --shard: "auto", "none", "i/n" with i from 0, or "" where it was not given. Without it a job
// of several tasks is an *UndecidedError: all of them answering the whole input is what nobody wants.
func (j Job) Choose(value string) (Choice, error) {
	switch value {
	case "":
		if j.Parallel() {
			return Choice{}, &UndecidedError{j.String()}
		}
		return Choice{Shard: Shard{0, 1}}, nil
	case "none":
		return Choice{Shard: Shard{0, 1}}, nil
	case "auto":
		return Choice{Auto: true}, nil
	}
	index, count, _ := strings.Cut(value, "/")
	i, errI := strconv.Atoi(index)
	n, errN := strconv.Atoi(count)
	switch {
	case errI != nil || errN != nil:
		return Choice{}, fmt.Errorf("--shard %s: want auto, none, or a number and a count as 0/16", value)
	case n < 1 || n > mostShards:
		return Choice{}, fmt.Errorf("--shard %s: the count is from 1 to %d", value, mostShards)
	case i < 0 || i >= n:
		return Choice{}, fmt.Errorf("--shard %s: the number is from 0 to %d", value, n-1)
	}
	return Choice{Shard: Shard{i, n}}, nil
}
