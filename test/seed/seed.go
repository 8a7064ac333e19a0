// Package seed gives tests their random numbers, so that a failure can be repeated.
//
// By default a test runs with its kept seeds: a few numbers, and each seed with which it ever failed. The environment
// variable TEST_SEED changes that: a number runs the test with this seed only, "any" with as many new seeds as it has
// kept ones ("make stress" sets "any").
package seed

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Variable is the environment variable for the seeds. It does not start with FLUXWORKER_, because such variables are
// flags of the program.
const Variable = "TEST_SEED"

// Each runs the test once per seed, as a subtest "seed=N". A failed subtest prints the command that repeats it.
func Each(t *testing.T, kept []uint64, test func(t *testing.T, random *rand.Rand)) {
	t.Helper()
	EachNumber(t, kept, func(t *testing.T, seed uint64) { test(t, rand.New(rand.NewPCG(seed, 0))) })
}

// EachNumber is like Each, for tests that pass the seed to another program.
func EachNumber(t *testing.T, kept []uint64, test func(t *testing.T, seed uint64)) {
	t.Helper()
	for _, n := range seeds(t, kept) {
		t.Run(fmt.Sprintf("seed=%d", n), func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("repeat with: %s=%d make test-one T='%s'", Variable, n, t.Name())
				}
			})
			test(t, n)
		})
	}
}

// First returns the seeds 1 to n.
func First(n int) []uint64 {
	list := make([]uint64, n)
	for i := range list {
		list[i] = uint64(i + 1)
	}
	return list
}

func seeds(t *testing.T, kept []uint64) []uint64 {
	t.Helper()
	wish := os.Getenv(Variable)
	switch wish {
	case "":
		return kept
	case "any":
		list := make([]uint64, len(kept))
		for i := range list {
			list[i] = rand.Uint64() >> 32 // short enough to type
		}
		return list
	}
	n, err := strconv.ParseUint(wish, 10, 64)
	if err != nil {
		t.Fatalf("%s is %q; use a number, or any", Variable, wish)
	}
	return []uint64{n}
}
