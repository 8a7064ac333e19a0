package main

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// secondsVar adds a flag for a duration.
func secondsVar(flags *pflag.FlagSet, p *time.Duration, name string, value time.Duration, usage string) {
	*p = value
	flags.Var((*secondsValue)(p), name, usage)
}

// secondsValue is a flag for a duration. A bare number counts seconds, as in LLMFlux.
type secondsValue time.Duration

func (v *secondsValue) String() string { return time.Duration(*v).String() }

// Type returns the type of other durations, for messages.
func (v *secondsValue) Type() string { return "duration" }

func (v *secondsValue) Set(s string) error {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		if !(math.Abs(n) < math.MaxInt64/float64(time.Second)) {
			return fmt.Errorf("%s seconds: %w", s, strconv.ErrRange)
		}
		*v = secondsValue(n * float64(time.Second))
		return nil
	}
	d, err := time.ParseDuration(s)
	*v = secondsValue(d)
	return err
}
