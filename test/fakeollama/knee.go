package fakeollama

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// knee is the number of rows up to which a server answers each row as fast as a single one. With n rows above it, each
// row takes (n/at)^power times as long: power 1 keeps the throughput constant, power 2 makes it fall as fast as it
// rose.
type knee struct {
	at    int // 0 means no knee
	power float64
}

// String returns the form that Set parses.
func (k *knee) String() string {
	if k.at == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%g", k.at, k.power)
}

// Set parses N[:POWER].
func (k *knee) Set(text string) (err error) {
	at, power, given := strings.Cut(text, ":")
	k.power = 1
	if k.at, err = strconv.Atoi(at); err == nil && given {
		k.power, err = strconv.ParseFloat(power, 64)
	}
	if err != nil || k.at < 1 || k.power < 0 {
		return fmt.Errorf("want a number above 0, and after a colon the power of the slowdown, at least 0")
	}
	return nil
}

// stretch returns the duration of d when the given number of rows is at work.
func (k *knee) stretch(d time.Duration, working int) time.Duration {
	if k.at == 0 || working <= k.at {
		return d
	}
	return time.Duration(float64(d) * math.Pow(float64(working)/float64(k.at), k.power))
}
